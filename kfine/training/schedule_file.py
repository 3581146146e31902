"""The stages of a job as a schedule file: what a dry run writes and `unfreeze` reads."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.errors import ConfigError
from kfine.runs.files import write_text
from kfine.training.schedule import Entry

if TYPE_CHECKING:
    from kfine.training.engine import Job

_ABOUT = """\
# The stages of a fit. Edit them, and give them back: kfine fit {recipe} ... --unfreeze {file}
# The head trains in every stage; further groups join from the head toward the input.
# All groups, from the input: {groups}
# Learning rates are peaks: warm-up and cosine decay go through all stages. A group without a rate
# follows from the head's by backbone_rate and layerwise_decay.
"""


def check_new_schedule(path: str | Path) -> Path:
    """The path of a schedule that can be written there.

    Raises:
        ConfigError: There is a file already, which may have been edited, or no such folder.
    """
    path = Path(path).expanduser()
    if path.exists():
        raise ConfigError(f"{path} exists already; name another file for the schedule.")
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"A schedule is a YAML file, such as stages.yaml. Received: {path}")
    if not path.parent.is_dir():
        raise ConfigError(f"The schedule cannot be written: there is no folder {path.parent}.")
    return path


def schedule_of_job(job: Job) -> list[Entry]:
    """The stages of a job, with all rates in numbers."""
    from kfine.training.optimizer import stage_factors

    names = [group.name for group in job.groups]
    found = []
    for stage in job.stages:
        first = len(names) - 1 - stage.depth
        factors = stage_factors(names, stage, job.config)
        rates = [_rounded(factor, job.config.learning_rate) for factor in factors]
        # The head's exactly: the groups without a rate of their own follow from it.
        peak = job.config.learning_rate if stage.learning_rate is None else stage.learning_rate
        found.append(
            Entry(
                epochs=stage.end_epoch - stage.first_epoch,
                groups=tuple(names[first:]),
                learning_rate=peak,
                group_rates=dict(zip(names[first:-1], rates[first:-1], strict=True)),
            )
        )
    return found


def _rounded(factor: float, learning_rate: float) -> float:
    """The shortest number for a rate that the optimizer takes for the very same factor."""
    import numpy as np

    rate = factor * learning_rate
    shorter = (float(f"{rate:.{digits}g}") for digits in range(1, 17))
    same = (one for one in shorter if np.float32(one / learning_rate) == np.float32(factor))
    return next(same, rate)


def write_schedule(
    path: Path, entries: Sequence[Entry], groups: Sequence[str], recipe: str
) -> None:
    """Write stages as a file to read, edit and give back.

    Args:
        path: A YAML file, from `check_new_schedule`.
        entries: The stages.
        groups: Names of all groups of the model, from the input.
        recipe: Name or path of the recipe, for the comment.

    Raises:
        RunError: The disk cannot be written.
    """
    import yaml

    # `None` writes the innermost lists and mappings on one line each.
    style: dict[str, Any] = {"default_flow_style": None, "sort_keys": False, "width": math.inf}
    stages = yaml.safe_dump([one.to_dict() for one in entries], allow_unicode=True, **style)
    about = _ABOUT.format(
        recipe=shlex.quote(recipe), file=shlex.quote(path.name), groups=", ".join(groups)
    )
    write_text(path, about + stages)
