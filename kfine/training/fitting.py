"""From a job to a trained run: its stages, its history, its model."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.console import Console
from kfine.errors import RunError
from kfine.runs.files import whole_file
from kfine.runs.folder import RunFolder, now
from kfine.training.divergence import diverged, loss_of
from kfine.training.job import Prepared
from kfine.training.parts import ANSWER, keep_chosen, keep_parts
from kfine.training.run import TrainedRun

if TYPE_CHECKING:
    import keras

    from kfine.training.callbacks import BestWeights
    from kfine.training.cost import CostClock
    from kfine.training.engine import Job


def train(
    folder: RunFolder,
    prepared: Prepared,
    console: Console,
    *,
    plots: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    enough: Callable[[Sequence[dict[str, Any]]], bool] | None = None,
    clock: CostClock | None = None,
    unsaved: Callable[[dict[str, Any]], str] | None = None,
) -> TrainedRun:
    """Train a described run to its end, from its newest checkpoint if it has one.

    Args:
        folder: Its folder, locked.
        prepared: From `build_job`.
        console: Hears of the progress.
        plots: Draw the learning curves.
        callbacks: Of the user, for every stage's `fit`.
        enough: Told the history after each epoch, says whether training may end there; without,
            it ends where the loss is no number any more.
        clock: As in `fit_stages`.
        unsaved: Told the scores of the best epoch, says why the model is not worth a file; the
            empty text saves it.
    """
    history, best = fit_stages(
        folder,
        prepared,
        console,
        folder.checkpoints,
        callbacks=callbacks,
        enough=enough,
        clock=clock,
    )
    if enough is None:
        say_diverged(folder, history, best, console)
    kept = keep_history(folder, prepared.job, history, best, console, plots=plots)
    reason = unsaved(kept) if unsaved else ""
    answer, held = prepared.built.answer, prepared.held
    if held is not None and not reason:
        keep_chosen(folder, answer, lambda: predict_held(prepared), held.labels, console)
    finish(folder, prepared.job.model, console, reason)
    return TrainedRun(folder)


def predict_held(prepared: Prepared) -> list[Any]:
    """What the model of a job says of its validation examples."""
    from kfine.runtimes.keras_model import KerasPredictor

    job, built = prepared.job, prepared.built
    predictor = KerasPredictor(job.model, built.input, built.answer, job.config.batch_size)
    return predictor.predict_split(prepared.held)


def fit_stages(
    folder: RunFolder,
    prepared: Prepared,
    console: Console,
    checkpoints: Path,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    enough: Callable[[Sequence[dict[str, Any]]], bool] | None = None,
    share: float | None = None,
    clock: CostClock | None = None,
) -> tuple[list[dict[str, Any]], BestWeights]:
    """Go through the stages of a job, from its newest checkpoint if there is one.

    Args:
        folder: Of the run, locked.
        prepared: From `build_job`.
        console: Hears of the progress.
        checkpoints: The folder of the checkpoints.
        callbacks: As in `train`.
        enough: As in `train`.
        share: Of the tuned weights in the mean that is kept; as the settings say if omitted.
        clock: Counts what the run costs, and ends it after the epoch in which its time is up.

    Returns:
        As `run_stages`.
    """
    from kfine.adapters.attaching import take_away
    from kfine.training.precision import restore

    try:
        return _through_stages(
            folder, prepared, console, checkpoints, callbacks, _ending(enough, clock), share
        )
    except BaseException:
        # The backbone may serve another model of a search.
        take_away([prepared.job.model])
        raise
    finally:
        restore([prepared.job.model])


def _through_stages(
    folder: RunFolder,
    prepared: Prepared,
    console: Console,
    checkpoints: Path,
    callbacks: Sequence[keras.callbacks.Callback],
    enough: Callable[[Sequence[dict[str, Any]]], bool],
    share: float | None,
) -> tuple[list[dict[str, Any]], BestWeights]:
    from kfine.adapters.attaching import fold_adapters
    from kfine.training.accumulation import compute_whole
    from kfine.training.adapting import check_base, keep_and_fold
    from kfine.training.checkpoints import Checkpoints
    from kfine.training.engine import run_stages
    from kfine.training.features import Features, decisions_from_json, decisions_to_json
    from kfine.training.freezing import release
    from kfine.training.interpolation import interpolate

    job, built = prepared.job, prepared.built
    keep_parts(folder, built.input, built.answer)
    info = folder.info()
    if prepared.adapted is not None:
        check_base(folder, prepared.adapted)
    groups = [group.name for group in job.groups]
    folder.update(
        status="running",
        decisions={**info.get("decisions", {}), **built.decisions},
        stages=[vars(stage) for stage in job.stages],
        groups=groups,
        objective=f"val_{built.answer.watched}",
    )
    recorded = decisions_from_json(info.get("features", []))
    features = Features(job, console, recorded)
    try:
        history, best = run_stages(
            job,
            checkpoints=Checkpoints(checkpoints),
            console=console,
            features=features,
            decided=lambda: folder.update(features=decisions_to_json(features.decisions)),
            enough=enough,
            callbacks=callbacks,
        )
    except KeyboardInterrupt:
        folder.update(status="interrupted")
        path = shlex.quote(str(folder.path))
        console.say(f"interrupted; continue with: kfine fit --resume {path}")
        raise
    except RunError:
        path = shlex.quote(str(folder.path))
        console.say(f"stopped; continue later with: kfine fit --resume {path}")
        raise
    share = job.config.tuned_share if share is None else share
    folder.update(tuned_share=interpolate(job, features, history, best, share, console))
    if prepared.adapted is not None:
        keep_and_fold(folder, prepared.adapted, job.groups, about_run(folder, job.config), console)
    # Those that a recipe put there by itself.
    fold_adapters([job.model])
    release(job.model)
    compute_whole(job.model)
    return history, best


def _ending(
    enough: Callable[[Sequence[dict[str, Any]]], bool] | None, clock: CostClock | None
) -> Callable[[Sequence[dict[str, Any]]], bool]:
    """What says after each epoch whether training ends there, and keeps what it cost so far."""
    ends = enough or (lambda history: bool(diverged(history)))
    if clock is None:
        return ends

    def ended(history: Sequence[dict[str, Any]]) -> bool:
        clock.keep()
        return ends(history) or clock.over()

    return ended


def about_run(folder: RunFolder, config: Any) -> dict[str, Any]:
    """What the file of an adapter says of its run."""
    info = folder.info()
    return {
        "recipe": info["recipe"],
        "preset": str(getattr(config, "preset", "")),
        "class_names": info["class_names"],
        "answer": folder.read(ANSWER),
    }


def keep_history(
    folder: RunFolder,
    job: Job,
    history: Sequence[dict[str, Any]],
    best: BestWeights,
    console: Console,
    *,
    plots: bool = True,
) -> dict[str, Any]:
    """Write how the epochs of a fit went, and which one's weights were kept.

    Returns:
        The entry of that epoch, with the scores of what was kept.
    """
    from kfine.training.engine import stage_span
    from kfine.training.plots import learning_curves_png

    kept = {**history[best.epoch], **best.scores}
    folder.write("history.json", history)
    if plots:
        learning_curves_png(
            folder.path / "plots" / "learning_curves.png",
            history,
            [(stage.first_epoch + 1, stage_span(job.groups, stage)) for stage in job.stages],
            folder.info()["objective"].removeprefix("val_"),
        )
    validated = {} if job.validation is None else kept
    folder.update(best_epoch=best.epoch + 1, validation=validated)
    scores = ", ".join(f"{k} {v:.3f}" for k, v in kept.items() if k.startswith("val_"))
    console.say(f"kept the weights of epoch {best.epoch + 1}" + (f": {scores}" if scores else ""))
    return kept


def finish(folder: RunFolder, model: Any, console: Console, unsaved: str = "") -> None:
    """Save the model of a run, unless a reason says why not, and count the run as finished."""
    if unsaved:
        folder.update(model=unsaved)
    else:
        _save_model(folder, model)
    folder.update(status="finished", finished=now())
    console.say(f"run: {folder.path}")


def say_diverged(
    folder: RunFolder, history: Sequence[dict[str, Any]], best: BestWeights, console: Console
) -> None:
    """Warn of a fit that ended early, and refuse one without a single usable epoch.

    Raises:
        RunError: There is none.
    """
    what, kept = diverged(history), history[best.epoch]
    if not what:
        return
    if not math.isfinite(loss_of(kept)[1]):
        folder.update(status="diverged")
        raise RunError(f"Training diverged: {what}; start a new run with a lower learning_rate.")
    console.warn(
        f"{what}, so training ends there, with the weights of epoch {kept['epoch']}; a lower "
        "learning_rate may help"
    )


def _save_model(folder: RunFolder, model: Any) -> None:
    import keras

    # A KerasHub task comes to life with a fresh Adam. Loading warns where the file holds other
    # optimizer state than that, or a compile config.
    model.compiled = False
    model.optimizer = keras.optimizers.Adam()
    with whole_file(folder.model_path) as temporary:
        model.save(temporary)
