"""A fit that, once validation has chosen its epochs, is done again on all examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kfine.console import Console, format_seconds
from kfine.data.labelled import Data
from kfine.errors import DataError
from kfine.recipe import Recipe
from kfine.runs.folder import RunFolder
from kfine.training.cost import CostClock, cost_sentence
from kfine.training.divergence import diverged
from kfine.training.fitting import (
    finish,
    fit_stages,
    keep_history,
    predict_held,
    say_diverged,
    train,
)
from kfine.training.job import Prepared, build_job
from kfine.training.parts import keep_chosen
from kfine.training.run import TrainedRun
from kfine.training.settings import (
    ENOUGH_TO_CHOOSE,
    LEAST_TO_CHOOSE,
    SMALL,
    TrainingConfig,
)

if TYPE_CHECKING:
    import keras

    from kfine.training.unfreezing import Stage


def plan_refit(config: TrainingConfig, data: Data, *, watched: bool = False) -> dict[str, Any]:
    """Whether a run trains on its validation examples too, as its `run.json` keeps it.

    Args:
        config: Of the run.
        data: Of the run.
        watched: Whether callbacks of the user take part, which may need validation.

    Returns:
        Nothing, or `examples`, how many there are together, and `epochs`: how many epochs they
        train, `None` until the fit beside validation has ended. Where so few examples would
        validate that their scores say nothing, there is no such fit.

    Raises:
        DataError: It is asked for, and what it takes is missing.
    """
    if config.refit == "no":
        return {}
    lacking = [name for name in ("validation", "test") if not data.splits.get(name)]
    if config.refit == "yes" and lacking:
        raise DataError(
            "refit trains on the validation split too, and measures on the test split. Received: "
            f"{data.source} without a {lacking[0]} split; give one, or leave refit out"
        )
    if lacking or data.validation is None:
        return {}
    held = len(data.validation)
    examples = len(data.train) + held
    if config.refit == "auto" and (watched or examples > SMALL):
        return {}
    return {"examples": examples, "epochs": config.epochs if held < LEAST_TO_CHOOSE else None}


def next_job(
    folder: RunFolder, module: Recipe, config: Any, data: Data, console: Console
) -> Prepared:
    """The job of a run that is to be done next: to choose epochs, or to train on all examples."""
    from kfine.training.step_memory import fit_into_memory
    from kfine.training.unfreezing import Stage

    info = folder.info()
    refit = info.get("refit") or {}
    # What was chosen holds for the stages that it was chosen with.
    stages = [Stage(**one) for one in info["stages"]] if _beside(refit) else ()
    prepared = job_of_plan(refit, module, config, data, console, stages)
    fit_into_memory(folder, prepared.job, console)
    return prepared


def job_of_plan(
    refit: Mapping[str, Any],
    module: Recipe,
    config: Any,
    data: Data,
    console: Console,
    stages: Sequence[Stage] = (),
) -> Prepared:
    """The job of a plan: beside the validation examples, or on them too once epochs are known.

    Args:
        refit: From `plan_refit`.
        module: The recipe.
        config: Its settings.
        data: Its data.
        console: Hears of the loading.
        stages: Of the fit beside the validation examples, if there was one.
    """
    if not on_all(refit):
        return build_job(module, config, data, console)
    whole = data.without_validation()
    return build_job(module, config, whole, console, stages=stages, validated=False)


def on_all(refit: Mapping[str, Any]) -> bool:
    """Whether what a plan does next is to train on all examples."""
    return bool(refit) and refit["epochs"] is not None


def _beside(refit: Mapping[str, Any]) -> bool:
    """Whether there was a fit beside the validation examples, which left its threshold."""
    return "unsure" in refit


def train_to_end(
    folder: RunFolder,
    module: Recipe,
    config: Any,
    data: Data,
    prepared: Prepared,
    console: Console,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    clock: CostClock | None = None,
) -> TrainedRun:
    """Train a described run to its end, on its validation examples too where that is planned.

    Args:
        folder: Its folder, locked.
        module: Its recipe.
        config: Its settings.
        data: Its data.
        prepared: From `next_job`.
        console: Hears of the progress.
        callbacks: Of the user, for every stage's `fit`.
        clock: Of the run, which counts what it costs; begins here if omitted.
    """
    clock = clock or CostClock(folder)
    try:
        return _to_end(folder, module, config, data, prepared, console, callbacks, clock)
    finally:
        clock.keep()
        console.say(f"it took {cost_sentence(folder.info())}")


def _to_end(
    folder: RunFolder,
    module: Recipe,
    config: Any,
    data: Data,
    prepared: Prepared,
    console: Console,
    callbacks: Sequence[keras.callbacks.Callback],
    clock: CostClock,
) -> TrainedRun:
    refit = folder.info().get("refit")
    if not refit:
        run = train(folder, prepared, console, callbacks=callbacks, clock=clock)
        _say_cut(run.history, prepared, clock, console)
        return run
    if not on_all(refit):
        history = _choose(folder, prepared, data, console, callbacks, clock)
        if clock.over():
            # The model that chose the epochs is there, and is one.
            _say_cut(history, prepared, clock, console)
            folder.update(refit={})
            finish(folder, prepared.job.model, console)
            return TrainedRun(folder)
        prepared = next_job(folder, module, config, data, console)
    return _train_on_all(folder, prepared, console, callbacks, clock)


def _say_cut(
    history: Sequence[Any], prepared: Prepared, clock: CostClock, console: Console
) -> None:
    """Warn of a run whose time was up before its last epoch."""
    epochs = prepared.job.config.epochs
    if clock.over() and len(history) < epochs:
        assert clock.limit is not None
        console.warn(
            f"the time of {format_seconds(clock.limit)} was up after {len(history)} of {epochs} "
            "epochs: the best of them is kept, and the learning rate had not fallen to its end"
        )


def _choose(
    folder: RunFolder,
    prepared: Prepared,
    data: Data,
    console: Console,
    callbacks: Sequence[keras.callbacks.Callback],
    clock: CostClock,
) -> list[dict[str, Any]]:
    """Train beside the validation examples, and keep how many epochs were best for them."""
    job, answer = prepared.job, prepared.built.answer
    history, best = fit_stages(
        folder, prepared, console, folder.checkpoints, callbacks=callbacks, clock=clock
    )
    say_diverged(folder, history, best, console)
    keep_history(folder, job, history, best, console)
    assert data.validation is not None
    found = predict_held(prepared)
    # From which probability on it is sure can only be learned from examples that are new to it.
    unsure = answer.score(found, data.validation.labels).tables.get("unsure")
    keep_chosen(folder, answer, lambda: found, data.validation.labels, console)
    epochs = epochs_to_train(len(data.validation), best.epoch + 1, job.config.epochs)
    folder.update(refit={**folder.info()["refit"], "epochs": epochs, "unsure": unsure})
    return history


def epochs_to_train(held: int, best: int, epochs: int) -> int:
    """How many epochs all examples train.

    At the end of the schedule the learning rate has fallen, which is worth more than what a few
    validation examples say against its last epochs.

    Args:
        held: How many examples validated.
        best: The epoch with their lowest loss, counted from 1.
        epochs: Of the schedule.
    """
    return best if held >= ENOUGH_TO_CHOOSE else epochs


def _train_on_all(
    folder: RunFolder,
    prepared: Prepared,
    console: Console,
    callbacks: Sequence[keras.callbacks.Callback],
    clock: CostClock,
) -> TrainedRun:
    """Train for the chosen number of epochs on all examples."""
    info = folder.info()
    examples, epochs = info["refit"]["examples"], info["refit"]["epochs"]
    chosen = _beside(info["refit"])
    times = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    what = "training once more, on the validation examples too"
    if not chosen:
        what = "the validation examples are too few to tell epochs apart, and train too"
    console.say(f"{what}: {examples} examples, {times}")
    history, best = fit_stages(
        folder,
        prepared,
        console,
        folder.checkpoints / "refit",
        callbacks=callbacks,
        enough=lambda history: len(history) >= epochs or bool(diverged(history)),
        share=info["tuned_share"] if chosen else None,
        clock=clock,
    )
    say_diverged(folder, history, best, console)
    if len(history) < epochs:
        _say_cut(history, prepared, clock, console)
    if chosen:
        folder.write("refit_history.json", history)
    else:
        keep_history(folder, prepared.job, history, best, console)
    finish(folder, prepared.job.model, console)
    return TrainedRun(folder)
