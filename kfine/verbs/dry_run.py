"""`fit --dry-run`: what a fit would do and how long it would take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.training.data import load_data, say_data
from kfine.training.estimate import measure_stages
from kfine.training.job import build_job
from kfine.training.unfreezing import check_new_schedule, schedule_text, write_schedule
from kfine.verbs.fit import prepare


def dry_run(
    recipe: str | Path,
    *,
    config: str | Path | None = None,
    schedule: str | Path | None = None,
    console: Console | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Check settings and data, build the model, and measure a few steps of every stage.

    Makes no run; only photos that are slow to decode go into the shared cache.

    Args:
        recipe: Name of a recipe, or path of a recipe file.
        config: YAML file with settings; keyword arguments win over it.
        schedule: A new YAML file for the stages, to edit and give to the setting `unfreeze`.
        console: Hears of the progress; standard error if omitted.
        **settings: Fields of the recipe's `Config`.

    Returns:
        The data summary, the stages with their groups and trainable weights, the schedule as the
        setting `unfreeze` takes it, and seconds.

    Raises:
        KfineError: The settings, the data or the preset cannot be used, or the schedule cannot
            be written.
    """
    console = console or Console()
    if schedule is not None:
        check_new_schedule(Path(schedule))
    module, resolved = prepare(recipe, config, settings)
    data = load_data(module, resolved, console)
    say_data(data, console)
    job = build_job(module, resolved, data, console).job
    groups = [group.name for group in job.groups[:-1]]
    text = schedule_text(job.stages, groups)
    if schedule is not None:
        write_schedule(Path(schedule), text, groups, resolved.epochs)
    stages = measure_stages(job)
    total = sum(stage["seconds"] for stage in stages)
    return {
        "data": data.summary(),
        "stages": stages,
        "unfreeze": text,
        "seconds": round(total, 1),
    }
