"""`kfine adapters`: adapters in a list, and several of one base added together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError, RunError
from kfine.verbs.adapters import list_adapters, merge_runs

pytestmark = pytest.mark.keras

quiet = Console(quiet=True)


@pytest.fixture(scope="module")
def runs(
    tiny_text_preset: str, mood_texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Any]:
    """Two runs of the same texts: LoRA, and the biases alone."""
    root = tmp_path_factory.mktemp("runs")
    settings: dict[str, Any] = {"data": str(mood_texts), "preset": tiny_text_preset, "epochs": 2}
    settings |= {"refit": "no", "tuned_share": 1.0}
    return [
        kfine.fit(
            "text_classification",
            adapter=method,
            run_dir=root / method,
            console=quiet,
            **settings,
        )
        for method in ("lora", "bitfit")
    ]


def weights(run: Any) -> list[np.ndarray]:
    return [one.numpy() for one in run.model.weights if "seed" not in one.path]


def backbone(run: Any) -> list[np.ndarray]:
    groups = kfine.layer_groups(run.model)[:-1]
    return [one.numpy() for group in groups for one in group.weights]


def test_a_run_alone_is_itself(runs: list[Any], tmp_path: Path) -> None:
    made = merge_runs([runs[0]], run_dir=tmp_path / "merged", console=quiet)
    for ours, theirs in zip(weights(made), weights(runs[0]), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_halves_are_the_mean_and_wholes_the_sum_of_the_changes(
    runs: list[Any], tmp_path: Path
) -> None:
    half = merge_runs(runs, run_dir=tmp_path / "half", console=quiet)
    whole = merge_runs(runs, weights=[1, 1], run_dir=tmp_path / "whole", console=quiet)
    none = merge_runs(runs, weights=[1e-9, 1e-9], run_dir=tmp_path / "none", console=quiet)
    for a, b, mean in zip(weights(runs[0]), weights(runs[1]), weights(half), strict=True):
        np.testing.assert_allclose(mean, (a + b) / 2, atol=1e-6)
    parts = (backbone(run) for run in (*runs, whole, none))
    changed = 0
    for a, b, total, base in zip(*parts, strict=True):
        np.testing.assert_allclose(total - base, (a - base) + (b - base), atol=1e-5)
        changed += not np.array_equal(total, base)
    assert changed > 12
    info = half.folder.info()
    assert [one["weight"] for one in info["merged"]] == [0.5, 0.5]
    assert half.evaluate(console=quiet)["accuracy"] > 0.5


def test_the_terminal_lists_and_merges(
    runs: list[Any], tmp_path: Path, kfine_command: Callable[..., Any]
) -> None:
    root = runs[0].path.parent
    said = kfine_command("adapters", "list", root)
    assert said.status == 0
    assert "lora" in said.out and "bitfit" in said.out and "kB" in said.out
    rows = json.loads(kfine_command("adapters", "list", runs[0].path, "--json").out)
    assert [one["method"] for one in rows] == ["lora"]
    made = kfine_command(
        *("adapters", "merge", *[run.path for run in runs], "--weights", "0.7,0.3"),
        *("--run-dir", tmp_path / "merged"),
    )
    assert made.status == 0 and "0.7" in made.out and "val_accuracy" in made.out
    assert kfine.Run(tmp_path / "merged").predict("a fine film")[0].label
    wrong = kfine_command("adapters", "merge", runs[0].path, "--weights", "half")
    assert wrong.status == 2 and "must be numbers with commas between" in wrong.err


def test_what_does_not_go_together_is_refused(
    runs: list[Any], finished_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="one number for each of 2 runs"):
        merge_runs(runs, weights=[1.0], console=quiet)
    for weights in ([1.0, -1.0], [2.0, -1.999], [float("nan"), 1.0], ["a", "b"]):
        with pytest.raises(ConfigError, match="above 0 together"):
            merge_runs(runs, weights=weights, console=quiet)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="which differ in recipe and preset"):
        merge_runs([runs[0], finished_run], console=quiet)
    with pytest.raises(RunError, match="There is no adapter at"):
        merge_runs([finished_run], console=quiet)
    assert not list(tmp_path.iterdir())


def test_an_adapter_of_another_base_is_refused(runs: list[Any], tmp_path: Path) -> None:
    from kfine.adapters.file import NAME, read_adapter, write_adapter

    other = tmp_path / "other"
    shutil.copytree(runs[0].path, other)
    file = read_adapter(other / NAME)
    write_adapter(other / NAME, type(file)(**{**vars(file), "base": "0" * 64}))
    with pytest.raises(ConfigError, match="goes on the weights that it was trained on"):
        merge_runs([other], run_dir=tmp_path / "merged", console=quiet)
    assert not (tmp_path / "merged").exists()


def test_runs_that_trained_on_validation_do_not_score_on_it(
    runs: list[Any], tmp_path: Path
) -> None:
    other = tmp_path / "refit"
    shutil.copytree(runs[0].path, other)
    refit = {"examples": 100, "epochs": 2, "unsure": None}
    kfine.Run(other).folder.update(refit=refit)
    made = merge_runs([runs[1], other], run_dir=tmp_path / "merged", console=quiet)
    assert made.refit == refit and not made.folder.info()["validation"]


def test_one_damaged_adapter_does_not_hide_the_others(
    runs: list[Any], tmp_path: Path, kfine_command: Callable[..., Any]
) -> None:
    for name, run in (("good", runs[0]), ("bad", runs[1])):
        shutil.copytree(run.path, tmp_path / name)
    (tmp_path / "bad" / "adapter.safetensors").write_bytes(b"x")
    said = kfine_command("adapters", "list", tmp_path)
    assert said.status == 0 and "good" in said.out and "finished" in said.out
    assert "cannot be read" in said.err


def test_a_folder_without_adapters_is_said_so(
    tmp_path: Path, kfine_command: Callable[..., Any]
) -> None:
    assert list_adapters(tmp_path) == []
    assert "no run in" in kfine_command("adapters", "list", tmp_path).out
    missing = kfine_command("adapters", "list", tmp_path / "nothing")
    assert missing.status == 2 and "There is no folder" in missing.err
