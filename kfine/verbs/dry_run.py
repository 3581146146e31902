"""`fit --dry-run`: what a fit would do and how long it would take."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.verbs.data import load_data, say_data
from kfine.verbs.fit import build_job, prepare


def dry_run(
    recipe: str | Path,
    *,
    config: str | Path | None = None,
    console: Console | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Check settings and data, build the model, and measure a few steps of every stage.

    Makes no run; only photos that are slow to decode go into the shared cache.

    Returns:
        The data summary, the stages with their groups and trainable weights, and seconds.
    """
    console = console or Console()
    module, resolved = prepare(recipe, config, settings)
    data = load_data(module, resolved, console)
    say_data(data, console)
    stages = measure_stages(build_job(module, resolved, data, console).job)
    total = sum(stage["seconds"] for stage in stages)
    return {"data": data.summary(), "stages": stages, "seconds": round(total, 1)}


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


def _measure_stage(job: Any, stage: Any, *, passed: bool) -> dict[str, Any]:
    """Seconds of a stage, and how its examples go through the frozen layers.

    Args:
        job: A compiled job, in the state of the stage.
        stage: The stage.
        passed: Whether an earlier stage's pass fills the cache of this one too.
    """
    import keras
    import numpy as np

    from kfine.models.cutting import CannotCut
    from kfine.models.forward import forward_of
    from kfine.training.features import views_for, whole_model
    from kfine.training.frozen import worthwhile_cut

    epochs = stage.end_epoch - stage.first_epoch
    augmented = job.batches.augment is not None
    views = views_for(job.config, epochs) if augmented else 1
    inputs, targets = next(iter(job.batches.dataset()))[:2]
    try:
        if job.config.feature_cache == "none":
            raise CannotCut
        cut = worthwhile_cut(job.model, job.groups, stage.depth)
    except CannotCut:
        cut = None
    if cut is None:
        seconds = _measure_fit(job, job.model, inputs, targets, epochs)
        return {"features": "computed", "seconds": round(seconds, 1)}
    forward = forward_of(cut.trunk, exact=job.config.feature_cache == "float32")
    forward(inputs)
    start = time.perf_counter()
    features = keras.tree.map_structure(np.asarray, forward(inputs))
    pace = (time.perf_counter() - start) / len(targets)
    if not views:
        seconds = pace * len(job.validation) + _measure_fit(
            job, whole_model(job, cut), inputs, targets, epochs, validated=(cut.suffix, features)
        )
        return {"features": "computed", "seconds": round(seconds, 1)}
    examples = len(job.validation) + views * len(job.batches)
    once = 0.0 if passed and not augmented else pace * examples
    seconds = once + _measure_fit(job, cut.suffix, features, targets, epochs)
    row = sum(tensor[0].size * 2 for tensor in keras.tree.flatten(features))
    return {
        "features": "cached",
        "cache_bytes": int(row * examples),
        "frozen_seconds": round(once, 1),
        "seconds": round(seconds, 1),
    }


def _measure_fit(
    job: Any,
    model: Any,
    inputs: Any,
    targets: Any,
    epochs: int,
    validated: tuple[Any, Any] | None = None,
) -> float:
    """Seconds of tracing once, and of epochs of steps and a validation each.

    Args:
        job: A compiled job.
        model: What trains.
        inputs: A batch for it.
        targets: Of the batch.
        epochs: How many.
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
    epoch = per_step * job.batches.steps + per_validation_step * job.validation.steps
    return (traced - start) + epochs * epoch
