"""How many epochs a time allows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from kfine.backend import load_backend
from kfine.console import Console, format_seconds
from kfine.data.labelled import Data
from kfine.errors import ConfigError
from kfine.recipe import Recipe
from kfine.training.refit import job_of_plan, on_all
from kfine.training.schedule import is_list
from kfine.training.unfreezing import parse_unfreeze

# Of the time that is left is planned; the rest is for what goes slower than its first steps.
_SHARE = 0.9


def check_time(config: Any) -> None:
    """Check that a time may choose the epochs.

    Raises:
        ConfigError: The settings list the stages with their epochs.
    """
    if is_list(config.unfreeze):
        raise ConfigError(
            "time chooses the number of epochs, and the schedule of unfreeze gives it; leave one "
            "of them out."
        )


def epochs_within(
    end: float,
    module: Recipe,
    config: Any,
    data: Data,
    refit: Mapping[str, Any],
    console: Console,
) -> int:
    """The most epochs, up to those of the settings, that a fit has time for.

    A few steps of each stage are measured, on a model that is thrown away, as `--dry-run` does.

    Args:
        end: When the time is up, in seconds of `time.monotonic`.
        module: The recipe.
        config: Its settings.
        data: Its data.
        refit: From `plan_refit`.
        console: Hears of it.

    Raises:
        ConfigError: Not one epoch fits.
    """
    load_backend()
    from kfine.adapters.attaching import take_away
    from kfine.training.estimate import measure_stages, seconds_of_head_start
    from kfine.training.memory import memory_given_back

    with memory_given_back(), console.timed("measuring a few steps of each stage"):
        start = monotonic()
        job = job_of_plan(refit, module, config, data, console).job
        building = monotonic() - start
        try:
            stages = measure_stages(job)
            building += seconds_of_head_start(job)
        finally:
            # The backbone may serve the fit itself.
            take_away([job.model])
        del job
    epoch, beside = epoch_and_beside(stages, config.epochs, building, refit, len(data.train))
    seconds = end - monotonic()
    fit = epochs_in(seconds, epoch, beside)
    seconds *= _SHARE
    if fit < 1:
        raise ConfigError(
            f"time is too short: one epoch takes about {format_seconds(epoch)}, and what comes "
            f"before it {format_seconds(beside)}. {format_seconds(max(0.0, seconds))} are left for "
            f"them; give {format_seconds(math.ceil((epoch + beside - seconds) / _SHARE))} more, or "
            "choose a smaller preset or less data."
        )
    epochs = min(fit, int(config.epochs))
    last = parse_unfreeze(config.unfreeze)[-1][0] if ":" in config.unfreeze else 1
    if last > epochs:
        raise ConfigError(
            f"time leaves room for {epochs} epochs, and unfreeze {config.unfreeze!r} begins a "
            f"stage in epoch {last}; give more time, or unfreeze earlier."
        )
    console.say(
        f"time for {epochs} of {config.epochs} epochs: each takes about {format_seconds(epoch)}, "
        f"and what comes before them {format_seconds(beside)}"
    )
    return epochs


def epoch_and_beside(
    stages: Sequence[Mapping[str, Any]],
    epochs: int,
    building: float,
    refit: Mapping[str, Any],
    examples: int,
) -> tuple[float, float]:
    """Seconds of an epoch in the mean over all stages, and of all that is done once.

    Both count a second fit on all examples, where there is to be one.

    Args:
        stages: From `measure_stages`.
        epochs: Of all stages.
        building: Seconds in which the model is built and its head finds its start.
        refit: From `plan_refit`.
        examples: That train.
    """
    training = sum(one["epoch_seconds"] * (one["end_epoch"] - one["first_epoch"]) for one in stages)
    beside = sum(one["seconds"] for one in stages) - training + building
    times = 1 + refit["examples"] / examples if refit and not on_all(refit) else 1.0
    return times * training / epochs, times * beside


def epochs_in(seconds: float, epoch: float, beside: float) -> int:
    """How many epochs there is time for, with some left for what goes slower than measured."""
    return max(0, math.floor((_SHARE * seconds - beside) / epoch))
