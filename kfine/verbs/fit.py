"""`fit`: from a recipe and a config to a finished run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from kfine.config import make_config
from kfine.console import Console
from kfine.errors import ConfigError, RunError
from kfine.recipe import Recipe, load_recipe, recipe_name, recipe_of_run
from kfine.runs.folder import RunFolder, new_run, open_run, removed_on_failure
from kfine.runs.lock import locked
from kfine.training.cost import CostClock
from kfine.training.data import load_data, load_unchanged, say_data, warn_cut_split
from kfine.training.job import describe_run
from kfine.training.refit import next_job, plan_refit, train_to_end
from kfine.training.time_plan import check_time, epochs_within
from kfine.units import Price, parse_seconds
from kfine.verbs.run import Run

if TYPE_CHECKING:
    import keras


def fit(
    recipe: str | Path | None = None,
    *,
    config: str | Path | None = None,
    run_dir: str | Path | None = None,
    resume: str | Path | None = None,
    time: str | float | None = None,
    price: str | float | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    console: Console | None = None,
    **settings: Any,
) -> Run:
    """Fine-tune a model and leave a run folder.

    Args:
        recipe: Name of a recipe, or path of a recipe file.
        config: YAML file with settings; keyword arguments win over it.
        run_dir: Where to put the run; `runs/RECIPE-DATE-TIME` if omitted.
        resume: A run folder to continue instead; takes no recipe and no settings.
        time: How long it may take, such as "30m", "1h30m" or seconds: as many of the epochs as
            there is time for, by what a few steps of each stage take, and the same run as with
            that setting of `epochs`. Where they take longer than that, training ends after the
            epoch in which the time is up.
        price: Of an hour of the machine, such as "2.50/h" or "€2.50/h": what the run cost stands
            in its `run.json` and its report.
        callbacks: Keras callbacks of your own, for the Keras `fit` of every stage. Epochs count on
            through the stages; `on_train_begin` and `on_train_end` come once a stage, and one
            that sets `stop_training` ends the stage. `self.model` is the part that trains, without
            the frozen layers whose features are cached. A run does not keep them: give them
            again with `resume`, or they are not called. With `refit` "auto" the run then trains
            once; with "yes" they are called in the second fit too, in which there are no `val_`
            metrics.
        console: Hears of the progress; standard error if omitted.
        **settings: Fields of the recipe's `Config`.

    Returns:
        The finished run.

    Raises:
        KfineError: The settings, the data, the preset or the folder cannot be used.
        ConfigError: `callbacks` is no list of Keras callbacks, or holds a `GradualUnfreezing`.

    Example:

    ```python
    run = kfine.fit("image_classification", data="flowers", epochs=8)
    print(run.metrics["accuracy"])

    log = keras.callbacks.CSVLogger("log.csv", append=True)
    run = kfine.fit(resume="runs/flowers", callbacks=[log])
    ```
    """
    console = console or Console()
    _check_callbacks(callbacks)
    if resume is not None:
        if recipe or settings or config or run_dir or time is not None or price is not None:
            raise ConfigError("resume takes no recipe and no settings: the run has its own.")
        return _resume(open_run(resume), callbacks, console)
    start, limit = monotonic(), None if time is None else parse_seconds(time)
    bought: dict[str, Any] = {} if price is None else {"price": str(Price.read(price))}
    module, resolved = prepare(recipe, config, settings)
    if limit is not None:
        check_time(resolved)
        bought["time_limit"] = limit
    # The folder comes first: reading the data may take minutes, a wrong folder is found at once.
    folder = new_run(recipe_name(module), run_dir)
    with locked(folder.path):
        with removed_on_failure(folder):
            data = load_data(module, resolved, console)
            say_data(data, console)
            refit = plan_refit(resolved, data, watched=bool(callbacks))
            if limit is not None:
                epochs = epochs_within(start + limit, module, resolved, data, refit, console)
                _, resolved = prepare(recipe, config, {**settings, "epochs": epochs})
                refit = plan_refit(resolved, data, watched=bool(callbacks))
            spent = {"cost": {"seconds": monotonic() - start}}
            describe_run(folder, module, resolved, data, refit=refit, **bought, **spent)
            clock = CostClock(folder)
            prepared = next_job(folder, module, resolved, data, console)
            for split in data.splits.values():
                warn_cut_split(prepared.built.input, split, console)
        train_to_end(
            folder, module, resolved, data, prepared, console, callbacks=callbacks, clock=clock
        )
    return Run(folder)


def prepare(
    recipe: str | Path | None, config: str | Path | None, settings: dict[str, Any]
) -> tuple[Recipe, Any]:
    """Load a recipe and resolve its config; cheap, and imports no Keras."""
    if recipe is None:
        raise ConfigError("fit needs a recipe, such as image_classification, or a run to resume.")
    module = load_recipe(recipe)
    return module, module.resolve(make_config(module.Config, settings, config))


def _check_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    if not callbacks:
        return
    # Whoever made a callback has loaded Keras already.
    import keras

    from kfine.training.gradual_unfreezing import GradualUnfreezing

    for one in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        if one is callbacks or not isinstance(one, keras.callbacks.Callback):
            raise ConfigError(f"callbacks must be a list of Keras callbacks. Received: {one!r}")
        if isinstance(one, GradualUnfreezing):
            raise ConfigError(
                "fit unfreezes by itself; give it the schedule, as in "
                f"unfreeze={one.unfreeze!r}, in place of a GradualUnfreezing callback."
            )


def _resume(
    folder: RunFolder, callbacks: Sequence[keras.callbacks.Callback], console: Console
) -> Run:
    with locked(folder.path):
        clock = CostClock(folder)
        if folder.info()["status"] == "finished":
            raise RunError(f"The run {folder.path} has finished; there is nothing to resume.")
        module, note = recipe_of_run(folder)
        if note:
            console.warn(note)
        config = make_config(module.Config, {}, folder.path / "config.yaml")
        data = load_unchanged(
            folder,
            module,
            config,
            console,
            since="the run began",
            so="it cannot be resumed to the same result; restore the data, or start a new run",
        )
        console.say(f"resuming {folder.path}")
        prepared = next_job(folder, module, config, data, console)
        train_to_end(
            folder, module, config, data, prepared, console, callbacks=callbacks, clock=clock
        )
    return Run(folder)
