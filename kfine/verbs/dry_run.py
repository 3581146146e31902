"""`fit --dry-run`: what a fit would do and how long it would take."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

from kfine.console import Console
from kfine.training.data import load_data, say_data
from kfine.training.estimate import measure_stages, seconds_of_head_start
from kfine.training.refit import job_of_plan, on_all, plan_refit
from kfine.training.schedule import is_list
from kfine.training.schedule_file import check_new_schedule, schedule_of_job, write_schedule
from kfine.training.time_plan import check_time, epoch_and_beside, epochs_in
from kfine.training.unfreezing import schedule_text
from kfine.units import Price, parse_seconds
from kfine.verbs.fit import prepare


def dry_run(
    recipe: str | Path,
    *,
    config: str | Path | None = None,
    schedule: str | Path | None = None,
    time: str | float | None = None,
    price: str | float | None = None,
    console: Console | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Check settings and data, build the model, and measure a few steps of every stage.

    Makes no run; only photos that are slow to decode go into the shared cache.

    Args:
        recipe: Name of a recipe, or path of a recipe file.
        config: YAML file with settings; keyword arguments win over it.
        schedule: A new YAML file for the stages, to edit and give to the setting `unfreeze`.
        time: As in `fit`.
        price: As in `fit`.
        console: Hears of the progress; standard error if omitted.
        **settings: Fields of the recipe's `Config`.

    Returns:
        `data`: the data summary; `stages`: of each stage its epochs, the number of groups that
        train, and what it costs; `refit`: how many `examples` train where those that validate
        do too, and the `seconds` at most where that is a second fit; `memory`: how many `bytes`
        the process has at most, apart from cached features, how many are `free` now, and in how
        many parts a batch is computed (`accumulate`), empty on a GPU; `seconds` in all;
        `epochs_in_time`, where a time is given, at most those of the settings; `cost`, where a
        price is given, that of all epochs; `schedule`: the stages as a list to edit, one mapping
        each with `epochs`, `groups`, `learning_rate` and `group_rates`; `unfreeze`: the same as
        a text. Both are values of the setting `unfreeze`.

    Raises:
        KfineError: The settings, the data or the preset cannot be used, a training step takes
            more memory than there is, or the schedule cannot be written.

    Example:

    ```python
    plan = kfine.dry_run("image_classification", data="flowers", epochs=8)
    plan["schedule"][-1]["learning_rate"] /= 2
    run = kfine.fit("image_classification", data="flowers", unfreeze=plan["schedule"])
    ```
    """
    console = console or Console()
    limit = None if time is None else parse_seconds(time)
    paid = None if price is None else Price.read(price)
    target = None if schedule is None else check_new_schedule(schedule)
    module, resolved = prepare(recipe, config, settings)
    if limit is not None:
        check_time(resolved)
    data = load_data(module, resolved, console)
    say_data(data, console)
    refit = plan_refit(resolved, data)
    start = monotonic()
    job = job_of_plan(refit, module, resolved, data, console).job
    building = monotonic() - start
    entries = schedule_of_job(job)
    groups = [group.name for group in job.groups]
    if target is not None:
        write_schedule(target, entries, groups, str(recipe))
    from kfine.training.step_memory import memory_of_run

    memory = memory_of_run(job, console)
    listed = is_list(resolved.unfreeze)
    stages = measure_stages(job)
    total = sum(stage["seconds"] for stage in stages)
    if refit and not on_all(refit):
        refit["seconds"] = round(total * refit["examples"] / len(data.train), 1)
        total += refit["seconds"]
    more: dict[str, Any] = {}
    if limit is not None:
        building += seconds_of_head_start(job)
        one = epoch_and_beside(stages, resolved.epochs, building, refit, len(data.train))
        more["epochs_in_time"] = min(epochs_in(limit, *one), resolved.epochs)
    if paid is not None:
        more["cost"] = {"price": str(paid), "words": paid.words(total), "amount": paid.of(total)}
    return {
        "data": data.summary(),
        "stages": stages,
        "refit": refit,
        "memory": memory,
        "unfreeze": resolved.unfreeze if listed else schedule_text(job.stages, groups[:-1]),
        "schedule": [entry.to_dict() for entry in entries],
        "seconds": round(total, 1),
        **more,
    }
