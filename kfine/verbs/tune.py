"""`tune`: many trials of a recipe, each a run, and the best config as the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from kfine.tuning.plan import (
    FOOTPRINT,
    USUAL_TRIALS,
    Plan,
    check_objective,
)
from kfine.tuning.ranges import read_fixed, read_searches
from kfine.tuning.records import SearchFolder, open_search
from kfine.tuning.reopening import make_space, resume_search
from kfine.tuning.searching import run_search
from kfine.tuning.space import Space
from kfine.units import parse_bytes, parse_milliseconds, parse_seconds
from kfine.verbs.search import Search


def tune(
    recipe: str | Path | None = None,
    *,
    trials: int | None = None,
    time: str | float | None = None,
    oracle: str = "bayesian",
    objective: str | Sequence[str] | None = None,
    search: Sequence[str] | Mapping[str, Any] = (),
    fix: Sequence[str] | Mapping[str, Any] = (),
    only: Sequence[str] = (),
    keep: int = 3,
    prune: bool = True,
    max_size: str | float | None = None,
    max_latency: str | float | None = None,
    quantize: str = "float16",
    folds: int = 0,
    groups: str | None = None,
    then_fit: bool = False,
    seeds: int = 1,
    workers: int = 0,
    chief: str | None = None,
    config: str | Path | None = None,
    run_dir: str | Path | None = None,
    resume: str | Path | None = None,
    console: Console | None = None,
    **settings: Any,
) -> Search:
    """Search for better settings of a recipe; every trial is a run.

    Args:
        recipe: Name of a recipe, or path of a recipe file.
        trials: How many to run at most; 12 if neither trials nor time are given.
        time: How long to search at most, such as "20m"; the trial under way ends with its epoch.
        oracle: "bayesian", "hyperband", "random" or "grid".
        objective: What to optimize, such as "val_accuracy"; of several, which may be "size" and
            "latency" too, the first one leads. The recipe's primary metric on the validation
            split if omitted.
        search: Ranges such as "learning_rate=1e-5..1e-3" or "dropout=0,0.2,0.5", or a mapping from
            settings to such texts or lists; they replace or add to those of the recipe.
        fix: Settings to hold, such as "epochs=4", or a mapping.
        only: Settings of the recipe's search space that vary; all if omitted.
        keep: How many of the best trials keep their weights on disk.
        prune: End trials early that fall behind the median.
        max_size: Largest exported file, such as "4MB"; a trial that would be larger is refused
            before it is trained. A number is MB.
        max_latency: Longest time of one image in the exported file on this machine, such as
            "15ms"; a number is milliseconds.
        quantize: How the export is quantized that both are measured on.
        folds: Runs of each trial, one for each fold of the training and validation examples; its
            scores are the means. 0 for one run on the validation split.
        groups: Column of a manifest whose equal examples are never divided into two folds.
        then_fit: At the end fit the best config and the defaults again and compare them on the
            test split, which nothing has seen before.
        seeds: How many fits of each that takes.
        workers: Processes on this machine that run the trials; 0 runs them in this one.
        chief: Address such as "192.168.1.7:8123" to listen on for workers of other machines, which
            see the folder of the search too.
        config: YAML file with settings that trials have where they do not vary.
        run_dir: Where to put the search; `runs/RECIPE-search-DATE-TIME` if omitted.
        resume: The folder of a search to continue; takes no settings, but other `trials`, `time`,
            `then_fit`, `seeds`, `workers` and `chief` than before.
        console: Hears of the progress; standard error if omitted.
        **settings: Fields of the recipe's `Config`; they are held as those in `fix` are.

    Returns:
        The search, its best config in `best.yaml`.

    Raises:
        KfineError: The settings, the search space, the data or the folder cannot be used, or
            trials fail one after the other.

    Example:

    ```python
    search = kfine.tune("image_classification", data="flowers", trials=12)
    run = kfine.fit("image_classification", config=search.path / "best.yaml")
    ```
    """
    console = console or Console()
    seconds = None if time is None else parse_seconds(time)
    if seeds < 1:
        raise ConfigError(f"seeds must be at least 1. Received: {seeds}")
    if resume is not None:
        if recipe or settings or config or run_dir or search or fix or only or objective:
            raise ConfigError("resume takes no recipe and no settings: the search has its own.")
        found = resume_search(
            open_search(resume),
            trials,
            seconds,
            seeds * then_fit,
            console,
            workers=workers,
            chief=chief,
        )
        return Search(found.path)
    if recipe is None:
        raise ConfigError(
            "tune needs a recipe, such as image_classification, or a search to resume."
        )
    module = load_recipe(recipe)
    held = {**read_fixed(module.Config, fix), **settings}
    given = {name: value for name, value in held.items() if value is not None}
    base = make_config(module.Config, given, config)
    if trials is None and seconds is None and oracle not in ("hyperband", "grid"):
        trials = USUAL_TRIALS
    plan = Plan(
        trials=trials,
        seconds=seconds,
        oracle=oracle,
        objectives=_objectives(objective),
        searched=read_searches(module.Config, search),
        fixed=tuple(sorted(held)),
        only=tuple(only),
        keep=keep,
        prune=prune,
        max_size=None if max_size is None else parse_bytes(max_size) / 1e6,
        max_latency=None if max_latency is None else parse_milliseconds(max_latency),
        quantize=quantize,
        folds=folds,
        groups=groups,
    )
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
        run_search(
            folder,
            space,
            plan,
            goals,
            seeds * then_fit,
            console,
            workers=workers,
            chief=chief,
        )
    return Search(folder.path)


def _objectives(wanted: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of objectives; none for the one that the answer is watched by."""
    if wanted is None:
        return ()
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    return tuple(part.strip() for name in names for part in name.split(",") if part.strip())


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
