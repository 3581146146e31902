"""The trials of a search as one run, whose weights are the mean of theirs."""

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

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def made(finished_search: Path, tmp_path_factory: pytest.TempPathFactory) -> kfine.Run:
    path = tmp_path_factory.mktemp("soup") / "run"
    return kfine.soup(finished_search, run_dir=path, console=QUIET)


def test_a_soup_has_the_mean_of_the_weights_that_it_kept(made: kfine.Run) -> None:
    soup = made.folder.info()["soup"]
    assert len(soup) == 2, "the search kept the weights of two"
    kept = [kfine.Run(one["run"]) for one in soup if one["kept"]]
    means = [
        np.mean(together, axis=0)
        for together in zip(*(run.model.get_weights() for run in kept), strict=True)
    ]
    for ours, mean in zip(made.model.get_weights(), means, strict=True):
        np.testing.assert_allclose(ours, mean, atol=1e-6)
    best = max(one["accuracy"] for one in soup)
    assert made.folder.info()["validation"]["val_accuracy"] >= best


def test_a_soup_is_a_run_as_any_other(made: kfine.Run, tmp_path: Path) -> None:
    path = Path(shutil.copytree(made.path, tmp_path / "run"))
    metrics = kfine.evaluate(path, console=QUIET)
    assert metrics["count"] == 21 and "linear_probe" in metrics["baselines"]
    report = kfine.export(path, format="tflite", max_drop=1.0, console=QUIET)
    assert report.verdict.agreement > 0.9


def test_the_terminal_shows_each_run(
    finished_search: Path, tmp_path: Path, kfine_command: Callable[..., Any]
) -> None:
    trials = sorted(path.parent for path in finished_search.glob("trials/*/model.keras"))
    done = kfine_command("soup", *trials, "--run-dir", tmp_path / "run")
    assert done.status == 0, done.err
    heading, *rows = done.out.splitlines()
    assert heading.split("  ")[0] == "run" and "validation accuracy" in heading
    assert [str(trial) in row for trial, row in zip(trials, rows, strict=False)] == [True, True]


def changed(trial: Path, target: Path, file: str, **values: Any) -> Path:
    """A copy of a run in which a file says something else."""
    shutil.copytree(trial, target)
    found = json.loads((target / file).read_text(encoding="utf-8"))
    (target / file).write_text(json.dumps({**found, **values}), encoding="utf-8")
    return target


def test_runs_that_do_not_go_together_are_refused(finished_search: Path, tmp_path: Path) -> None:
    trial = next(path.parent for path in finished_search.glob("trials/*/model.keras"))
    with pytest.raises(ConfigError, match=r"two finished runs or more\. Received: 1"):
        kfine.soup([trial], console=QUIET)
    other = changed(trial, tmp_path / "other", "splits.json", validation=[])
    with pytest.raises(ConfigError, match=r"same recipe, preset, .* which differ in splits"):
        kfine.soup([trial, other], console=QUIET)
    taught = changed(trial, tmp_path / "taught", "run.json", refit={"examples": 9, "epochs": 1})
    with pytest.raises(ConfigError, match="trained on its validation examples too"):
        kfine.soup([trial, taught], console=QUIET)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="is no run folder"):
        kfine.soup([trial, tmp_path / "empty"], run_dir=tmp_path / "run", console=QUIET)
    assert not (tmp_path / "run").exists()
