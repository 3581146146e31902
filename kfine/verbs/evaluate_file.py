"""Scores of an exported file, run as it is on labelled examples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import DataError, ExportError
from kfine.recipe import load_recipe, recipe_names, recipe_of_run
from kfine.runtimes.carried import columns_of
from kfine.runtimes.exported import Exported
from kfine.runtimes.kinds import BUNDLED, kind_of
from kfine.training.data import load_data_of_run, warn_set_aside, with_columns
from kfine.training.run import TrainedRun
from kfine.verbs.evaluation_files import evaluation_name, keep_evaluation
from kfine.verbs.files import load_file, run_around, warn_if_refused


def evaluate_file(
    path: Path,
    *,
    data: str | None = None,
    slices: Sequence[str] = (),
    sensitive: Sequence[str] = (),
    console: Console | None = None,
) -> dict[str, Any]:
    """Score an exported file on labelled data.

    Writes `metrics.json`, `predictions.json` and `plots/` into `evaluations/NAME/` beside the
    file; where that cannot be written, it says so and goes on.

    Args:
        path: What `kfine export` wrote, in any format.
        data: Labelled data of the file's classes; the test split of the run that the file lies
            in, if omitted.
        slices: As for `evaluate`.
        sensitive: As for `evaluate`.
        console: Hears of the progress.

    Returns:
        The answer's metrics, the `primary` one named, and under `model` the path, its kind and
        the milliseconds per example, which for a question is all its windows.

    Raises:
        KfineError: The file or the data cannot be used.
    """
    console = console or Console()
    kind = kind_of(path)
    around = run_around(path)
    if data is None and around is None:
        raise DataError(f"{path} has no data of its own: give labelled data with --data.")
    from kfine.verbs.evaluate import Columns, metrics_of

    source = data
    if source is None:
        assert around is not None
        source = str(TrainedRun(around).config.data)
    columns = Columns.read(source, slices, sensitive)
    warn_if_refused(path, console)
    with console.timed("loading the model"):
        exported = load_file(path)
    if data is None:
        assert around is not None
        scored = _data_of_run(TrainedRun(around), exported, console)
    else:
        scored = _other_data(data, exported, console)
    warn_set_aside(scored, console)
    if scored.test is None:
        raise DataError(f"The data of {around} has no test split; give other data with --data.")
    predictions, milliseconds = _predict(exported, scored.test, console)
    answer = exported.answer
    score = answer.score(predictions, scored.test.labels)
    metrics = metrics_of(exported, score, predictions, scored.test, columns, console)
    metrics["model"] = {"path": str(path), "kind": kind, "milliseconds": milliseconds}
    folder = file_evaluation_folder(path, data)
    keep_evaluation(
        console, folder, metrics, score, predictions, scored.test, exported.input, answer
    )
    return metrics


def file_evaluation_folder(path: Path, data: str | None) -> Path:
    """Where the metrics of a file go: `evaluations/FILE-DATA/` beside it, or beside its bundle."""
    if path.name in BUNDLED and (path.parent / "report.json").is_file():
        path = path.absolute().parent
    stem = path.name if path.is_dir() else path.stem
    name = stem if data is None else f"{stem}-{evaluation_name(data)}"
    return path.absolute().parent / "evaluations" / name


def _data_of_run(run: TrainedRun, exported: Exported, console: Console) -> Data:
    if run.class_names != exported.answer.names:
        raise DataError(
            f"{exported.path} knows other classes than the run {run.path} that it lies in; give "
            "its data with --data."
        )
    module, note = recipe_of_run(run.folder)
    if note:
        console.warn(note)
    return load_data_of_run(run.folder, module, run.config, console)


def _other_data(data: str, exported: Exported, console: Console) -> Data:
    """Labelled data, read by the recipe that the file names.

    Only a recipe that comes with kfine, or that of the run around it: what a file names must not
    decide which code runs.
    """
    name, around = str(exported.info.get("recipe")), run_around(exported.path)
    if around is not None:
        module, _ = recipe_of_run(TrainedRun(around).folder)
        config = TrainedRun(around).config
    elif name in recipe_names():
        module = load_recipe(name)
        config = replace(module.Config(), **exported.input.settings())
    else:
        raise ExportError(
            f"{exported.path} names the recipe {name!r}, which does not come with kfine, so its "
            "data cannot be read; evaluate it inside its run."
        )
    config = with_columns(config, columns_of(exported.info), data)
    scored = module.load_data(config, data, exported.answer)
    for line in scored.notes:
        console.say(line)
    return scored


def _predict(exported: Exported, split: Split, console: Console) -> tuple[list[Any], float]:
    """Predictions for a split's examples as they came, and milliseconds of each example."""
    progress = console.count("predicting")
    predictions: list[Any] = []
    seconds = 0.0
    for index in range(len(split)):
        example = split.read_raw(index)
        start = time.perf_counter()
        predictions += exported.predict([example])
        seconds += time.perf_counter() - start
        progress(index + 1, len(split))
    return predictions, 1000 * seconds / len(predictions)
