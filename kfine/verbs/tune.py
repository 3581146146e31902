"""`tune`: many trials of a recipe, each a run, and the best config as the answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfine.answers import Answer
from kfine.backend import load_backend
from kfine.config import make_config
from kfine.console import Console, format_seconds
from kfine.errors import ConfigError
from kfine.models.pretrained import pretrained_in_memory
from kfine.recipe import Recipe, load_recipe, recipe_name, recipe_reference
from kfine.runs.folder import new_run, now, removed_on_failure
from kfine.runs.lock import locked
from kfine.training.data import load_data, say_data
from kfine.training.folds import divide
from kfine.training.job import build_job, describe_beginning
from kfine.tuning.plan import FOOTPRINT, Plan, SearchSettings, check_objective
from kfine.tuning.records import SearchFolder, open_search
from kfine.tuning.reopening import make_space, resume_search
from kfine.tuning.searching import run_search
from kfine.tuning.space import Space
from kfine.verbs.search import Search


def tune(
    recipe: str | Path | None = None,
    search: SearchSettings | None = None,
    *,
    config: str | Path | None = None,
    run_dir: str | Path | None = None,
    resume: str | Path | None = None,
    console: Console | None = None,
    **settings: Any,
) -> Search:
    """Search for better settings of a recipe; every trial is a run.

    Args:
        recipe: Name of a recipe, or path of a recipe file.
        search: How to search; 12 trials of the recipe's own search space if omitted.
        config: YAML file with settings that trials have where they do not vary.
        run_dir: Where to put the search; `runs/RECIPE-search-DATE-TIME` if omitted.
        resume: The folder of a search to continue; takes no settings, and of `search` only
            `trials`, `time`, `then_fit`, `seeds`, `workers` and `chief`.
        console: Hears of the progress; standard error if omitted.
        **settings: Fields of the recipe's `Config`; they are held as those in `search.fix` are.

    Returns:
        The search, its best config in `best.yaml`.

    Raises:
        KfineError: The settings, the search space, the data or the folder cannot be used, or
            trials fail one after the other.

    Example:

    ```python
    settings = kfine.SearchSettings(trials=20, search={"dropout": [0, 0.2, 0.5]})
    found = kfine.tune("image_classification", settings, data="flowers")
    run = kfine.fit("image_classification", config=found.path / "best.yaml")
    ```
    """
    console = console or Console()
    search = search or SearchSettings()
    how: dict[str, Any] = {"workers": search.workers, "chief": search.chief}
    if resume is not None:
        if recipe or settings or config or run_dir:
            raise ConfigError("resume takes no recipe and no settings: the search has its own.")
        search.check_resuming()
        found = resume_search(
            open_search(resume), search.trials, search.seconds, search.final_seeds, console, **how
        )
        return Search(found.path)
    if recipe is None:
        raise ConfigError(
            "tune needs a recipe, such as image_classification, or a search to resume."
        )
    module = load_recipe(recipe)
    held = {**search.held(module.Config), **settings}
    given = {name: value for name, value in held.items() if value is not None}
    base = make_config(module.Config, given, config)
    plan = search.plan(module.Config, held)
    space = make_space(module, base, plan)
    folder = SearchFolder(new_run(f"{recipe_name(module)}-search", run_dir).path)
    with locked(folder.path), pretrained_in_memory():
        with removed_on_failure(folder):
            data = load_data(module, space.resolved, console)
            say_data(data, console)
            if plan.folds:
                divide(data, space.resolved, plan.folds, plan.groups)
            goals = _goals(space, data, plan, console)
            if plan.seconds:
                _check_time(space, data, plan, console)
            _describe(folder, module, space.base, plan, goals, data)
        run_search(folder, space, plan, goals, search.final_seeds, console, **how)
    return Search(folder.path)


def _goals(space: Space, data: Any, plan: Plan, console: Console) -> dict[str, str]:
    """Objectives with their directions, checked against what the model reports."""
    with console.timed("loading TensorFlow and the preset"):
        load_backend()
        from kfine.seeds import seed_everything

        # Also finds out whether anything varies, and whether the recipe's ranges are possible.
        space.hyperparameters()
        # As a trial does, so that the first one finds the backbone in memory.
        seed_everything(space.resolved.seed)
        built = space.module.build_model(space.resolved, data)
    from keras_tuner.src.engine.metrics_tracking import infer_metric_direction

    reported = {"val_loss": "min", **FOOTPRINT}
    by_output = built.answer.metrics()
    for output, metrics in by_output.items():
        for metric in metrics:
            # Keras puts the output's name before where there are several.
            name = metric.name if len(by_output) == 1 else f"{output}_{metric.name}"
            reported[f"val_{name}"] = infer_metric_direction(metric.name) or ""
    reported[f"val_{built.answer.watched}"] = watched_direction(built.answer)
    names = plan.objectives or (f"val_{built.answer.watched}",)
    return dict(check_objective(name, reported) for name in names)


def watched_direction(answer: Answer) -> str:
    """Whether the metric of each epoch that stands for the primary one is to rise or to fall."""
    return getattr(answer, "watched_direction", answer.direction)


def _check_time(space: Space, data: Any, plan: Plan, console: Console) -> None:
    """Refuse a time in which not even the first trial would end, by measuring its first steps."""
    from kfine.training.estimate import measure_stages

    assert plan.seconds is not None
    job = build_job(space.module, space.resolved, data, Console(quiet=True)).job
    with console.timed("measuring the first steps of a trial"):
        cost = sum(stage["seconds"] for stage in measure_stages(job)) * max(1, plan.folds)
    if cost > plan.seconds:
        raise ConfigError(
            f"{format_seconds(plan.seconds)} is too short for one trial, which takes about "
            f"{format_seconds(cost)} by its first steps; allow more time, or hold fewer epochs "
            f"than {space.resolved.epochs} with --epochs."
        )
    console.say(f"one trial takes about {format_seconds(cost)} at most, by its first steps")


def _describe(
    folder: SearchFolder,
    module: Recipe,
    base: Any,
    plan: Plan,
    goals: Mapping[str, str],
    data: Any,
) -> None:
    describe_beginning(folder, module, base, data)
    # Written last: with it the folder counts as a search that can be resumed.
    folder.write(
        "search.json",
        {
            "recipe": recipe_reference(module),
            "started": now(),
            **plan.to_dict(),
            "goals": dict(goals),
        },
    )
