"""Sizes and durations as people write them, and what breaks them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kfine.errors import ConfigError
from kfine.exporting.measuring.limits import Limits
from kfine.units import parse_bytes, parse_milliseconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4MB", 4_000_000),
        ("4 MiB", 4 * 2**20),
        ("500kb", 500_000),
        ("12B", 12),
        ("0.5GB", 5e8),
    ],
)
def test_sizes_are_read(text: str | float, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(("text", "count"), [("20ms", 20), ("0.02s", 20), ("500us", 0.5), (7, 7)])
def test_durations_are_read(text: str | float, count: float) -> None:
    assert parse_milliseconds(text) == pytest.approx(count)


@pytest.mark.parametrize("text", ["", "big", "-4MB", "0", "4 apples", "4MB of it", "nan", "inf"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="max_size must be a size with its unit, such as 4MB"):
        parse_bytes(text)
    with pytest.raises(ConfigError, match="max_latency must be a duration such as 20ms"):
        parse_milliseconds(text)


@pytest.mark.parametrize("verb", ["export", "tune"])
def test_a_size_without_a_unit_is_refused_by_every_verb(
    kfine_command: Callable[..., Any], finished_run: Path, verb: str
) -> None:
    """4 was 4 bytes to one verb and 4 MB to the other."""
    asked = finished_run if verb == "export" else "image_classification"
    said = kfine_command(verb, asked, "--max-size", "4")
    assert said.status == 2
    assert said.err.startswith("error: max_size must be a size with its unit, such as 4MB")


def test_what_is_too_large_or_too_slow_is_said_with_both_numbers() -> None:
    limits = Limits(max_size=4_000_000, max_latency=20)
    assert limits.broken(4_000_000, 20) == {}
    assert limits.broken(4_010_000, 21.5) == {
        "size": "it has 4.01 MB, more than the 4.00 MB allowed",
        "latency": "one example takes 21.5 ms, more than the 20 allowed",
    }
    assert Limits().broken(10**9, 1e6) == {}


def test_a_size_that_no_quantization_reaches_is_a_contradiction() -> None:
    Limits(max_size=1_700_000).check_weights(3_400_000)
    with pytest.raises(ConfigError, match=r"contradicts the model: its 3\.40 million weights"):
        Limits(max_size=1_600_000).check_weights(3_400_000)


def test_a_file_that_seems_too_slow_is_timed_again(trained: Any, tmp_path: Path) -> None:
    from kfine.exporting.export import convert_model
    from kfine.exporting.inference import inference_model
    from kfine.exporting.measuring.measured import measure_file

    inference = inference_model(trained.model, trained.input, trained.answer, "fixed")
    path = convert_model(inference, trained.plan(quantize="none", form="fixed"), tmp_path)
    said: list[str] = []
    slow = measure_file(path, trained.held_out(), max_latency=1e-6, progress=said.append)
    assert said[-1] == "timing it again"
    said.clear()
    measured = measure_file(path, trained.held_out(), max_latency=1e6, progress=said.append)
    assert "timing it again" not in said
    # The fastest of several rounds, whatever else the machine does meanwhile.
    assert slow.milliseconds is not None and measured.milliseconds is not None
    assert 0 < slow.milliseconds <= 2 * measured.milliseconds
