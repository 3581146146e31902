"""`fit --dry-run`: what a fit would do and how long it would take."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.verbs.fit import build_job, load_data, prepare, say_data


def dry_run(
    recipe: str | Path,
    *,
    config: str | Path | None = None,
    console: Console | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Check settings and data, build the model, and measure a few steps of every stage.

    Writes nothing.

    Returns:
        The data summary, the stages with their groups and trainable weights, and seconds.
    """
    console = console or Console()
    module, resolved = prepare(recipe, config, settings)
    data = load_data(module, resolved, console)
    say_data(data, console)
    job = build_job(module, resolved, data, console).job
    from kfine.training.engine import stage_sentence
    from kfine.training.freezing import apply_stage

    stages = []
    for stage in job.stages:
        apply_stage(job.model, job.groups, stage.depth, batch_norm=resolved.batch_norm)
        seconds = _measure_stage(job, stage)
        stages.append(
            {
                **vars(stage),
                "sentence": stage_sentence(job, stage),
                "seconds": round(seconds, 1),
            }
        )
    total = sum(stage["seconds"] for stage in stages)
    return {"data": data.summary(), "stages": stages, "seconds": round(total, 1)}


def _measure_stage(job: Any, stage: Any) -> float:
    """Seconds of a stage: tracing once, then epochs of steps and a validation each."""
    steps = min(4, job.batches.steps)
    dataset = job.batches.dataset()
    start = time.perf_counter()
    job.model.fit(dataset.take(1), verbose=0, shuffle=False)
    job.model.evaluate(job.validation.take(1), verbose=0)
    traced = time.perf_counter()
    job.model.fit(dataset.take(steps), verbose=0, shuffle=False)
    per_step = (time.perf_counter() - traced) / steps
    validating = time.perf_counter()
    job.model.evaluate(job.validation, verbose=0)
    validation = time.perf_counter() - validating
    epochs = stage.end_epoch - stage.first_epoch
    return (traced - start) + epochs * (per_step * job.batches.steps + validation)
