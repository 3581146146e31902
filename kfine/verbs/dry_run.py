"""`fit --dry-run`: what a fit would do and how long it would take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.training.data import load_data, say_data
from kfine.training.estimate import measure_stages
from kfine.training.job import build_job
from kfine.verbs.fit import prepare


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
