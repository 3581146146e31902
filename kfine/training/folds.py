"""The data sets and the runs of folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfine.console import Console
from kfine.data.labelled import Data
from kfine.errors import RunError
from kfine.recipe import Recipe
from kfine.runs.folder import RunFolder
from kfine.runs.lock import locked
from kfine.training.fitting import train
from kfine.training.job import build_job, describe_run
from kfine.training.memory import memory_given_back
from kfine.training.run import TrainedRun


def divide(data: Data, config: Any, count: int, groups: str | None) -> list[Data]:
    """The data sets of the folds of a config.

    Raises:
        KfineError: There are not enough examples or groups, or no such column.
    """
    from kfine.data.folds import fold_data, read_groups

    known = read_groups(config.data, groups) if groups else None
    return fold_data(data, count, config.seed, known)


def fit_part(path: Path, module: Recipe, config: Any, data: Data, console: Console) -> TrainedRun:
    """The run of a part of the data, such as a fold: found finished, continued, or begun."""
    run = RunFolder(path)
    if run.model_path.is_file() and run.info()["status"] == "finished":
        return TrainedRun(run)
    from kfine.backend import load_backend

    load_backend()
    path.mkdir(parents=True, exist_ok=True)
    with locked(path), memory_given_back():
        if (path / "run.json").is_file():
            before = run.read("data.json")["fingerprint"]
            if before != data.fingerprint:
                raise RunError(f"The data of {path} changed since its run began; start anew.")
        else:
            describe_run(run, module, config, data)
        return train(run, build_job(module, config, data, console), console, plots=False)


def numbers_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The figures among metrics."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and name != "count"
    }


def mean_and_spread(folds: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Mean and standard deviation of each number over the folds, and the numbers."""
    found = {}
    for name in folds[0]:
        values = [fold[name] for fold in folds]
        found[name] = {
            "mean": float(np.mean(values)),
            "spread": float(np.std(values, ddof=1)),
            "folds": values,
        }
    return found
