"""The staged fit: one Keras `fit` per stage, one optimizer, a proof after each stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kfine.adapters.adding import second_matrices
from kfine.answers import Learned
from kfine.console import Console
from kfine.data.pipeline import Batches
from kfine.data.row_cache import plain_damage
from kfine.models.feeding import Fed
from kfine.models.groups import LayerGroup
from kfine.training.accumulation import compute_in_parts
from kfine.training.callbacks import (
    AveragedWeights,
    BestWeights,
    EpochClock,
    Progress,
    SeparateValidation,
)
from kfine.training.checkpoints import Checkpoint, Checkpoints
from kfine.training.features import Features, Feed
from kfine.training.freezing import apply_stage, build_optimizer_for, changes
from kfine.training.head_start import start_at_probe
from kfine.training.optimizer import factors_of_config, make_optimizer, stage_factors
from kfine.training.proof import PresetChanged, check_movement, group_digests
from kfine.training.settings import LEAST_TO_CHOOSE, TrainingConfig
from kfine.training.unfreezing import Stage

LinearModel = Callable[[Learned, Learned, np.ndarray | None, int], tuple[np.ndarray, np.ndarray]]


@dataclass
class Job:
    """What a staged fit works on.

    Attributes:
        model: An uncompiled model.
        loss: Keras loss, or one for each output by name.
        metrics: Keras metrics, or those of each output by name.
        groups: The model's layer groups, the head last.
        stages: The stages, covering all epochs.
        batches: Training batches.
        validation: Validation batches; `None` where no epoch is chosen.
        config: The training settings.
        input: JSON-able description of how an example becomes the model's input.
        augmentation: Layers that vary training examples.
        moves: Whether the augmentation changes targets too.
        loss_weights: Of each output by name, where there are several.
        fed: Inputs of the model that come from the targets.
        parts: Of a batch, computed one after the other.
        linear_model: From features and targets of training and of validation, weights of the
            former, and a seed, to the kernel and bias of a linear model; `None` if there is none.
    """

    model: keras.Model
    loss: Any
    metrics: Any
    groups: Sequence[LayerGroup]
    stages: Sequence[Stage]
    batches: Batches
    validation: Batches | None
    config: TrainingConfig
    input: dict[str, Any] = field(default_factory=dict)
    augmentation: list[Any] = field(default_factory=list)
    moves: bool = False
    loss_weights: dict[str, float] | None = None
    fed: Fed = field(default_factory=dict)
    linear_model: LinearModel | None = None
    parts: int = 1

    @property
    def held_out(self) -> int:
        """How many examples validate."""
        return 0 if self.validation is None else len(self.validation)

    def changing(self) -> list[Any]:
        """The variables that some stage changes, statistics included."""
        deepest = max(stage.depth for stage in self.stages)
        return changes(self.groups, deepest, batch_norm=self.config.batch_norm)


def compile_job(job: Job) -> None:
    """Compile the model with an optimizer built on every variable that some stage trains."""
    config, steps = job.config, job.batches.steps
    optimizer = make_optimizer(
        job.groups,
        learning_rate=config.learning_rate,
        total_steps=config.epochs * steps,
        warmup_steps=math.ceil(config.warmup_epochs * steps),
        factors=factors_of_config(len(job.groups), config),
        weight_decay=config.weight_decay,
        start_decay=config.start_decay,
        clip_norm=config.clip_norm,
        ema=config.ema,
    )
    if config.adapter_second_rate != 1:
        optimizer.set_multiple(second_matrices(job.groups), config.adapter_second_rate)
    compile_part(job.model, job, optimizer)
    deepest = max(stage.depth for stage in job.stages)
    build_optimizer_for(job.model, job.groups, deepest, batch_norm=config.batch_norm)


def compile_part(model: keras.Model, job: Job, optimizer: Any) -> None:
    """Compile a job's model, or the suffix of a cut of it, with an optimizer of the job."""
    model.compile(
        optimizer=optimizer,
        loss=job.loss,
        # Copies: Keras resets a metric before a fit only in the model that it was built in.
        metrics=keras.tree.map_structure(
            lambda metric: type(metric).from_config(metric.get_config()), job.metrics
        ),
        loss_weights=job.loss_weights,
        # XLA takes minutes to compile a network for a CPU and gains nothing there, and knows no
        # parts of any size.
        jit_compile="auto" if _has_gpu() and job.parts == 1 else False,
    )
    compute_in_parts(model, job.loss, job.parts)


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def run_stages(
    job: Job,
    *,
    checkpoints: Checkpoints | None,
    console: Console,
    features: Features | None = None,
    decided: Callable[[], None] | None = None,
    enough: Callable[[Sequence[dict[str, Any]]], bool] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[list[dict[str, Any]], BestWeights]:
    """Train through all stages, resuming from the newest checkpoint, and restore the best weights.

    Args:
        job: The compiled job (see `compile_job`).
        checkpoints: Where to save after each epoch; `None` saves nothing.
        console: Hears of stages, epochs and proofs.
        features: What feeds the stages; made for the job if omitted.
        decided: Called when `features` has decided how a stage is fed.
        enough: Told the history after each epoch, says whether training may end there.
        callbacks: Of the user, for every stage's `fit`.

    Returns:
        The history, one entry per epoch, and the callback that holds the best weights.

    Raises:
        FreezeBroken: A frozen group moved, or one that should train did not.
        RunError: The checkpoint does not belong to these weights, or cannot be written.
    """
    features = features or Features(job, console)
    held = job.held_out
    best = BestWeights(
        job.changing(),
        patience=job.config.patience,
        stop_from=job.stages[-1].first_epoch,
        choose=held >= LEAST_TO_CHOOSE,
    )
    if held and not best.choose:
        console.say(f"{held} validation examples cannot tell epochs apart: the last one is kept")
    state = _resume(job, best, checkpoints) if checkpoints else None
    if state is None and job.linear_model is not None:
        start_at_probe(job, features, console)
        best.begin()
        if checkpoints:
            checkpoints.save_start(job.groups[-1].weights)
    first = _stage_of(job, state).index if state else 0
    state = state or Checkpoint(0, [], {}, best.state())
    for stage in job.stages[first:]:
        if enough and state.history and enough(state.history):
            break
        apply_stage(job.model, job.groups, stage.depth, batch_norm=job.config.batch_norm)
        names = [group.name for group in job.groups]
        job.model.optimizer.set_factors(stage_factors(names, stage, job.config))
        console.say(stage_sentence(job, stage))
        if not state.history or _stage_of(job, state) != stage:
            state.stage_digests = group_digests(job.groups)
        if state.epochs_done < stage.end_epoch and not best.stopped:
            feed = features.feed(stage)
            if decided:
                decided()
            _fit_stage(job, stage, feed, state, best, checkpoints, console, enough, callbacks)
        console.say("  " + check_movement(job.groups, stage.depth, state.stage_digests).sentence())
        if best.stopped:
            console.say(f"stopped early: no lower validation loss for {job.config.patience} epochs")
    best.put_back()
    return state.history, best


def _resume(job: Job, best: BestWeights, checkpoints: Checkpoints) -> Checkpoint | None:
    """Load the newest checkpoint into the model, in the stage that wrote it."""
    saved = checkpoints.load_state()
    if saved is None:
        return None
    state, weights = saved
    stage = _stage_of(job, state)
    apply_stage(job.model, job.groups, stage.depth, batch_norm=job.config.batch_norm)
    if job.linear_model is not None and checkpoints.load_start(job.groups[-1].weights):
        # All other layers are as the preset has them.
        best.begin()
    checkpoints.load_variables(_saved(job))
    frozen = job.groups[: len(job.groups) - 1 - max(stage.depth for stage in job.stages)]
    found = group_digests(frozen)
    if any(found[name]["all"] != state.stage_digests[name]["all"] for name in found):
        raise PresetChanged
    best.restore(state.best, weights)
    return state


def _stage_of(job: Job, state: Checkpoint) -> Stage:
    """The stage of the last epoch that was trained: before its time where a callback said so."""
    return job.stages[state.history[-1]["stage"] - 1]


def _saved(job: Job) -> list[Any]:
    optimizer: Any = job.model.optimizer
    return [*job.changing(), *optimizer.variables]


def _fit_stage(
    job: Job,
    stage: Stage,
    feed: Feed,
    state: Checkpoint,
    best: BestWeights,
    checkpoints: Checkpoints | None,
    console: Console,
    enough: Callable[[Sequence[dict[str, Any]]], bool] | None,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    config = job.config
    averaged: list[keras.callbacks.Callback] = [AveragedWeights()] if config.ema else []
    separate: list[keras.callbacks.Callback] = []
    if feed.model is not job.model:
        compile_part(feed.model, job, job.model.optimizer)
    if feed.validator:
        suffix, validation = feed.validator
        compile_part(suffix, job, job.model.optimizer)
        separate = [SeparateValidation(suffix, validation, averaged)]
        averaged = []
    with plain_damage():
        feed.model.fit(
            feed.batches.dataset(endless=True),
            steps_per_epoch=feed.batches.steps,
            initial_epoch=state.epochs_done,
            epochs=stage.end_epoch,
            validation_data=feed.validation,
            callbacks=[
                EpochClock(feed.batches, config.seed, job.model),
                *averaged,
                *separate,
                best,
                _Recorder(_saved(job), state, stage, best, checkpoints, enough),
                Progress(console, config.epochs, job.batches.steps),
                *callbacks,
            ],
            verbose=0,
            shuffle=False,  # the batches come in the order of their epoch already
        )


class _Recorder(keras.callbacks.Callback):
    """Appends each epoch to the history, saves a checkpoint, and stops where that is enough."""

    def __init__(
        self,
        variables: Sequence[Any],
        state: Checkpoint,
        stage: Stage,
        best: BestWeights,
        checkpoints: Checkpoints | None,
        enough: Callable[[Sequence[dict[str, Any]]], bool] | None,
    ) -> None:
        super().__init__()
        self.enough = enough
        self.variables = variables
        self.state = state
        self.stage = stage
        self.best = best
        self.checkpoints = checkpoints

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record and save."""
        rate = self.model.optimizer.head_rate
        entry = {"epoch": epoch + 1, "stage": self.stage.index + 1, "learning_rate": rate}
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.state.history.append({**entry, **values})
        self.state.epochs_done = epoch + 1
        self.state.best = self.best.state()
        if self.checkpoints:
            assert self.best.weights is not None
            self.checkpoints.save(self.variables, self.state, self.best.weights)
        if self.enough and self.enough(self.state.history):
            self.model.stop_training = True


def stage_sentence(job: Job, stage: Stage) -> str:
    """A stage in plain words, its model already in that state."""
    trains = sum(math.prod(variable.shape) for variable in job.model.trainable_variables)
    total = job.model.count_params()
    other = stage.learning_rate not in (None, job.config.learning_rate)
    rate = f" at a learning rate of {stage.learning_rate:g}" if other else ""
    goes_on = stage.index == 0 or job.stages[stage.index - 1].depth == stage.depth
    verb = "training" if goes_on else "unfreezing"
    if job.config.adapter_options is not None and stage.depth:
        verb = "training the adapters of"
    what = f"{verb} {stage_span(job.groups, stage)}"
    return (
        f"stage {stage.index + 1} of {len(job.stages)} (epochs {stage.first_epoch + 1} to "
        f"{stage.end_epoch}): {what}, {_millions(trains)} of {_millions(total)} million weights "
        f"train{rate}"
    )


def stage_span(groups: Sequence[LayerGroup], stage: Stage) -> str:
    """The groups that train in a stage, such as `block6a to top`."""
    names = [group.name for group in groups[len(groups) - 1 - stage.depth :]]
    if stage.depth == 0:
        return "the head alone"
    if stage.depth == len(groups) - 1:
        return "all groups"
    return f"{names[0]} to {names[-2]}" if stage.depth > 1 else names[0]


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f}" if count >= 1e5 else f"{count / 1e6:.3f}"
