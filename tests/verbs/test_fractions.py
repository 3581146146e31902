"""A learning curve is one run for each fraction, on the same held-out examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.answers.classes import Classes
from kfine.answers.numbers import Numbers
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.evaluation import learning_curve as curve_of

QUIET = Console(quiet=True)
ANSWER = Classes(("no", "yes"))


@pytest.fixture
def settings(tiny_settings: dict[str, Any]) -> dict[str, Any]:
    return {**tiny_settings, "epochs": 1, "unfreeze": "none", "augmentation": "none"}


def score(right: int, of: int) -> Any:
    sure = [np.array([0.1, 0.9])] * right + [np.array([0.8, 0.2])] * (of - right)
    return ANSWER.score(sure, ["yes"] * of)


def test_each_part_holds_the_smaller_ones_and_an_interrupted_curve_goes_on(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "curve"
    said: list[str] = []

    class Listening(Console):
        def say(self, line: str = "") -> None:
            said.append(line)
            if line.startswith("fraction 0.5"):
                raise KeyboardInterrupt

    given = {"fractions": [0.25, 0.5, 1], "run_dir": path, "console": Listening(), **settings}
    with pytest.raises(KeyboardInterrupt):
        kfine.learning_curve("image_classification", **given)
    assert (path / "fraction-0.25" / "model.keras").is_file()
    found = kfine.learning_curve(resume=path, console=QUIET)
    assert found == json.loads((path / "fractions.json").read_text())
    splits = [
        json.loads((path / f"fraction-{one}" / "splits.json").read_text())
        for one in ("0.25", "0.5", "1")
    ]
    whole = json.loads((path / "splits.json").read_text())
    small, middle, full = ({one["name"] for one in part["train"]} for part in splits)
    assert small < middle < full == {one["name"] for one in whole["train"]}
    assert [one["count"] for one in found["points"]] == [len(small), len(middle), len(full)]
    assert all(part["test"] == whole["test"] for part in splits)
    labels = [one["label"] for one in splits[0]["train"]]
    assert {labels.count(name) for name in set(labels)} <= {len(small) // 3, len(small) // 3 + 1}
    # The last point is what the run of all examples scores.
    last = kfine.evaluate(path / "fraction-1", console=QUIET)
    assert found["points"][-1]["accuracy"] == pytest.approx(last["accuracy"])
    assert (path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("fractions", "words"),
    [
        ([1], "Two fractions or more are wanted"),
        ([0.5, 0.25], "in rising order, such as 0.25, 0.5 and 1. Received: 0.5, 0.25"),
        ([0.5, 1.5], "at most 1"),
        ([0, 1], "above 0"),
        ([0.01, 1], r"Each fraction needs 10 training examples or more, .* 0.01 \(3\), 1 \(102\)"),
    ],
)
def test_fractions_that_cannot_be_taken_are_one_sentence(
    settings: dict[str, Any], tmp_path: Path, fractions: list[float], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        kfine.learning_curve(
            "image_classification",
            fractions=fractions,
            run_dir=tmp_path / "x",
            console=QUIET,
            **settings,
        )
    assert not (tmp_path / "x").exists()


def test_a_power_law_is_followed_and_said() -> None:
    # The error halves when the examples are doubled: 0.4, 0.2, 0.1, and then 0.05.
    found = curve_of(ANSWER, [100, 200, 400], [score(r, 1000) for r in (600, 800, 900)])
    assert found["expected"]["count"] == 800
    assert found["expected"]["accuracy"] == pytest.approx(0.95, abs=1e-6)
    low, high = found["expected"]["interval"]
    assert low < 0.95 < high and high - low < 0.05
    assert found["points"][1]["accuracy"] == 0.8
    assert found["last_step"]["difference"] == pytest.approx(0.1)
    assert "better by more than chance" in found["words"][0]
    assert found["words"][-1].endswith("are worth collecting")


def test_what_no_longer_rises_is_said_too() -> None:
    found = curve_of(ANSWER, [100, 200, 400], [score(r, 300) for r in (270, 272, 271)])
    assert "the difference may be chance" in found["words"][0]
    assert "change little" in found["words"][-1]
    perfect = curve_of(ANSWER, [100, 200], [score(30, 30), score(30, 30)])
    assert perfect["expected"]["accuracy"] == 1 and "no mistake left" in perfect["words"][-1]
    fallen = curve_of(ANSWER, [100, 200], [score(170, 200), score(130, 200)])
    assert "worse by more than chance" in fallen["words"][0]


def test_flat_curves_of_few_examples_are_rarely_called_rising() -> None:
    generator = np.random.default_rng(0)
    called = 0
    for _ in range(20):
        scores = [score(int(one), 300) for one in generator.binomial(300, 0.9, 3)]
        said = curve_of(ANSWER, [100, 200, 400], scores)["words"][-1]
        called += (
            said == "as far as this tells, more examples of the same kind are worth collecting"
        )
    assert called <= 5


def test_an_error_falls_in_its_own_unit() -> None:
    labels = [(float(one),) for one in range(50)]
    answer = Numbers.of(labels, ["value"])
    shifts = (8.0, 4.0)
    scores = [answer.score([np.array(one) + shift for one in labels], labels) for shift in shifts]
    found = curve_of(answer, [50, 100], scores)
    assert found["expected"][answer.primary] == pytest.approx(2.0)
    assert "worth collecting" in found["words"][-1]
