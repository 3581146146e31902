"""How long the stages of a job would take, by their first steps."""

from __future__ import annotations

import time
from typing import Any


def measure_stages(job: Any) -> list[dict[str, Any]]:
    """The stages of a compiled job in words, with the seconds that each would take.

    Trains a few steps of each, so the job is of no other use afterwards.
    """
    from kfine.training.engine import stage_sentence
    from kfine.training.freezing import apply_stage

    stages: list[dict[str, Any]] = []
    for stage in job.stages:
        apply_stage(job.model, job.groups, stage.depth, batch_norm=job.config.batch_norm)
        passed = any("frozen_seconds" in earlier for earlier in stages)
        stages.append({**vars(stage), "sentence": stage_sentence(job, stage)})
        stages[-1] |= _measure_stage(job, stage, passed=passed)
    return stages


def seconds_of_head_start(job: Any) -> float:
    """Seconds in which all examples go through the model once, where its head starts at the probe.

    Args:
        job: A compiled job.
    """
    if job.linear_model is None:
        return 0.0
    from kfine.models.forward import forward_of

    inputs = next(iter(job.batches.dataset()))[0]
    forward = forward_of(job.model, exact=True)
    forward(inputs)
    start = time.perf_counter()
    forward(inputs)
    batches = job.batches.steps + (0 if job.validation is None else job.validation.steps)
    return (time.perf_counter() - start) * batches


def _measure_stage(job: Any, stage: Any, *, passed: bool) -> dict[str, Any]:
    """Seconds of a stage, and how its examples go through the frozen layers.

    Args:
        job: A compiled job, in the state of the stage.
        stage: The stage.
        passed: Whether an earlier stage's pass fills the cache of this one too.
    """
    import keras
    import numpy as np

    from kfine.data.pipeline import rows_in
    from kfine.models.cutting import CannotCut
    from kfine.models.feeding import behind, own_inputs
    from kfine.models.forward import forward_of
    from kfine.training.features import stage_batches, views_for, whole_model
    from kfine.training.frozen import worthwhile_cut

    epochs = stage.end_epoch - stage.first_epoch
    batches = stage_batches(job, stage)
    augmented = batches.augment is not None
    views = 1
    if augmented:
        views = 0 if job.moves else views_for(job.config, epochs)
    inputs, targets = next(iter(batches.dataset()))[:2]
    told = [inputs[name] for name in job.fed]
    own = own_inputs(inputs, job.fed)
    try:
        if job.config.feature_cache == "none":
            raise CannotCut
        cut = worthwhile_cut(job.model, job.groups, stage.depth, job.fed)
    except CannotCut:
        cut = None
    if cut is None:
        once, epoch = _measure_fit(job, job.model, inputs, targets)
        return _computed(once, epoch, epochs)
    forward = forward_of(cut.trunk, exact=job.config.feature_cache == "float32")
    forward(own)
    start = time.perf_counter()
    features = keras.tree.map_structure(np.asarray, forward(own))
    pace = (time.perf_counter() - start) / rows_in(targets)
    row = sum(tensor[0].size * 2 for tensor in keras.tree.flatten(features))
    if told:
        features = behind(features, told)
    if not views:
        once, epoch = _measure_fit(
            job, whole_model(job, cut), inputs, targets, validated=(cut.suffix, features)
        )
        return _computed(once + pace * job.held_out, epoch, epochs)
    examples = job.held_out + views * len(job.batches)
    frozen = 0.0 if passed and not augmented else pace * examples
    once, epoch = _measure_fit(job, cut.suffix, features, targets)
    return {
        "features": "cached",
        "cache_bytes": int(row * examples),
        "frozen_seconds": round(frozen, 1),
        "epoch_seconds": epoch,
        "seconds": round(frozen + once + epochs * epoch, 1),
    }


def _computed(once: float, epoch: float, epochs: int) -> dict[str, Any]:
    """What is said of a stage whose frozen layers run in each step."""
    seconds = round(once + epochs * epoch, 1)
    return {"features": "computed", "epoch_seconds": epoch, "seconds": seconds}


def _measure_fit(
    job: Any,
    model: Any,
    inputs: Any,
    targets: Any,
    validated: tuple[Any, Any] | None = None,
) -> tuple[float, float]:
    """Seconds of tracing once, and of an epoch of steps and a validation.

    Args:
        job: A compiled job.
        model: What trains.
        inputs: A batch for it.
        targets: Of the batch.
        validated: What is validated in its place, and the batch for that.
    """
    import tensorflow as tf

    from kfine.data.pipeline import untuned
    from kfine.training.engine import compile_part

    if model is not job.model:
        compile_part(model, job, job.model.optimizer)
    other, its_inputs = validated or (model, inputs)
    if other is not model:
        compile_part(other, job, job.model.optimizer)
    batch = untuned(tf.data.Dataset.from_tensors((inputs, targets)))
    held_out = untuned(tf.data.Dataset.from_tensors((its_inputs, targets)))
    start = time.perf_counter()
    model.fit(batch, verbose=0, shuffle=False)
    other.evaluate(held_out, verbose=0)
    traced = time.perf_counter()
    model.fit(batch.repeat(4), verbose=0, shuffle=False)
    per_step = (time.perf_counter() - traced) / 4
    validating = time.perf_counter()
    other.evaluate(held_out.repeat(2), verbose=0)
    per_validation_step = (time.perf_counter() - validating) / 2
    validation_steps = 0 if job.validation is None else job.validation.steps
    epoch = per_step * job.batches.steps + per_validation_step * validation_steps
    return traced - start, epoch
