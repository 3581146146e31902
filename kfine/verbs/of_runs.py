"""A run made of others: which go together, and what the folder of the new one holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.console import Console
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import ConfigError
from kfine.recipe import Recipe, recipe_name, recipe_of_run
from kfine.runs.folder import RunFolder, new_run, now, removed_on_failure
from kfine.runs.lock import locked
from kfine.training.data import load_data_of_run
from kfine.training.fitting import finish
from kfine.training.parts import keep_chosen, keep_parts
from kfine.training.run import TrainedRun
from kfine.verbs.run import Run

if TYPE_CHECKING:
    from kfine.runtimes.keras_model import KerasPredictor

# What a run begins with: of one of the others as it is, its recipe too if that changed since.
_KEPT = ("config.yaml", "recipe.py", "environment.json", "data.json", "splits.json")


def as_list(runs: Any) -> list[Any]:
    """One run or several, as several."""
    return [runs] if isinstance(runs, (str, Path, TrainedRun)) else list(runs)


@contextmanager
def begun_like(
    first: TrainedRun, kind: str, run_dir: str | Path | None, console: Console
) -> Iterator[tuple[RunFolder, Recipe, Data]]:
    """A new run, locked, and removed where it fails; with the recipe and the data of another.

    Args:
        first: The other.
        kind: Behind the recipe in the name of the folder.
        run_dir: The folder; `runs/RECIPE-KIND-DATE-TIME` if omitted.
        console: Hears of the data, and of a recipe that changed.
    """
    module, note = recipe_of_run(first.folder)
    if note:
        console.warn(note)
    folder = new_run(f"{recipe_name(module)}-{kind}", run_dir)
    with locked(folder.path), removed_on_failure(folder):
        yield folder, module, load_data_of_run(first.folder, module, first.config, console)


def check_alike(runs: Sequence[TrainedRun], what: str, *, splits: bool) -> None:
    """Refuse runs that have not finished, or whose weights do not belong together.

    Args:
        runs: The runs.
        what: Is made of them, for the error.
        splits: Whether they must have the same splits too.

    Raises:
        ConfigError: They differ in recipe, preset, input, answer or splits.
        RunError: One has not finished.
    """
    first = runs[0]
    mine = _facts(first, splits=splits)
    for run in runs:
        run.folder.require_finished()
        theirs = _facts(run, splits=splits)
        unlike = [name for name in mine if mine[name] != theirs[name]]
        if unlike:
            raise ConfigError(
                f"{what} is made of runs with the same {', '.join(mine)}. Received: {first.path} "
                f"and {run.path}, which differ in {' and '.join(unlike)}"
            )


def _facts(run: TrainedRun, *, splits: bool) -> dict[str, Any]:
    folder = run.folder
    found = {
        "recipe": folder.recipe_path.read_text(encoding="utf-8"),
        "preset": str(getattr(run.config, "preset", "")),
        "input": folder.read("input.json"),
        "answer": folder.read("answer.json"),
    }
    return {**found, "splits": folder.read("splits.json")} if splits else found


def write_run_of(
    folder: RunFolder,
    first: TrainedRun,
    deepest: TrainedRun,
    model: Any,
    predictor: KerasPredictor,
    validation: Split | None,
    score: float | None,
    console: Console,
    **more: Any,
) -> Run:
    """Write a run that was made of others, and save its model.

    Args:
        folder: The new run, locked.
        first: Where settings, recipe and data come from.
        deepest: Where the stages come from.
        model: The new Keras model.
        predictor: With it.
        validation: The examples that choose what an answer leaves to them.
        score: Primary metric of the new model on them.
        console: Hears of it.
        **more: For `run.json`.
    """
    answer = first.answer
    objective = f"val_{answer.primary}"
    for name in _KEPT:
        shutil.copyfile(first.path / name, folder.path / name)
    keep_parts(folder, first.input, answer)
    folder.write("history.json", [])
    info = deepest.folder.info()
    same = ("recipe", "class_names", "decisions", "stages", "groups")
    folder.update(
        **{name: info[name] for name in same},
        status="running",
        started=now(),
        objective=objective,
        validation={} if score is None else {objective: score},
        **more,
    )
    if validation is not None:
        predict = partial(predictor.predict_split, validation)
        keep_chosen(folder, answer, predict, validation.labels, console)
    finish(folder, model, console)
    return Run(folder)
