"""Scores of an exported file, run as it is on labelled examples."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from kfine.console import Console
from kfine.errors import DataError, RunError
from kfine.exporting.kinds import BUNDLED, kind_of
from kfine.verbs.data import load_data_of_run, warn_set_aside
from kfine.verbs.evaluation_files import evaluation_name, write_evaluation
from kfine.verbs.files import run_around, warn_if_refused
from kfine.verbs.reading import read_answers, recipe_of_file
from kfine.verbs.recipes import recipe_of_run
from kfine.verbs.run import Run


def evaluate_file(
    path: Path, *, data: str | None = None, console: Console | None = None
) -> dict[str, Any]:
    """Score an exported file on labelled data.

    Writes `metrics.json`, `predictions.json` and `plots/` into `evaluations/NAME/` beside the
    file; where that cannot be written, it says so and goes on.

    Args:
        path: What `kfine export` wrote, in any format.
        data: Labelled data of the file's classes; the test split of the run that the file lies
            in, if omitted.
        console: Hears of the progress.

    Returns:
        The recipe's metrics, the `primary` one named, and under `model` the path, its kind and
        the milliseconds per example, which for a question is all its windows.

    Raises:
        KfineError: The file or the data cannot be used.
    """
    console = console or Console()
    kind = kind_of(path)
    around = run_around(path)
    if data is None and around is None:
        raise DataError(f"{path} has no data of its own: give labelled data with --data.")
    warn_if_refused(path, console)
    with console.timed("loading the model"):
        from kfine.exporting import load_exported

        predictor = load_exported(path)
    if data is None:
        assert around is not None
        module, scored = _data_of_run(Run(around), predictor.class_names, path, console)
    else:
        module, scored = _other_data(data, predictor, console)
    warn_set_aside(scored, console)
    if scored.test is None:
        raise DataError(f"The data of {around} has no test split; give other data with --data.")
    answers, milliseconds = _predict(predictor, scored.test, console)
    examples = scored.test.inputs
    predictions = read_answers(module, predictor, answers, lambda: examples[range(len(examples))])
    metrics: dict[str, Any] = module.evaluate(predictions, scored)
    metrics["model"] = {"path": str(path), "kind": kind, "milliseconds": milliseconds}
    try:
        write_evaluation(file_evaluation_folder(path, data), metrics, scored, predictions, module)
    except RunError as error:
        console.warn(f"the metrics are not kept: {error}")
    return metrics


def file_evaluation_folder(path: Path, data: str | None) -> Path:
    """Where the metrics of a file go: `evaluations/FILE-DATA/` beside it, or beside its bundle."""
    if path.name == BUNDLED and (path.parent / "report.json").is_file():
        path = path.absolute().parent
    stem = path.name if path.is_dir() else path.stem
    name = stem if data is None else f"{stem}-{evaluation_name(data)}"
    return path.absolute().parent / "evaluations" / name


def _data_of_run(
    run: Run, class_names: tuple[str, ...], path: Path, console: Console
) -> tuple[ModuleType, Any]:
    if run.class_names != class_names:
        raise DataError(
            f"{path} knows other classes than the run {run.path} that it lies in; give its data "
            "with --data."
        )
    module, note = recipe_of_run(run._folder)
    if note:
        console.warn(note)
    return module, load_data_of_run(run._folder, module, run.config, console)


def _other_data(data: str, predictor: Any, console: Console) -> tuple[ModuleType, Any]:
    module = recipe_of_file(predictor)
    config = replace(module.Config(), **predictor.medium.settings())
    scored = module.load_other_data(config, data, predictor.class_names)
    for line in scored.notes:
        console.say(line)
    return module, scored


def _predict(predictor: Any, split: Any, console: Console) -> tuple[np.ndarray, float]:
    """Answers to a split's examples as they came, row by row, and milliseconds of each example."""
    progress = console.count("predicting")
    rows, seconds = [], 0.0
    for index in range(len(split)):
        example = split.read_raw(index)
        start = time.perf_counter()
        rows.append(predictor.predict([example]))
        seconds += time.perf_counter() - start
        progress(index + 1, len(split))
    return np.concatenate(rows), 1000 * seconds / len(rows)
