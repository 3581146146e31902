"""The schedule of gradual unfreezing: from the text or the file of a setting to stages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from kfine.config import load_yaml
from kfine.errors import ConfigError

_STEP = re.compile(r"^(\d+):(\d+|[A-Za-z_][\w.\-]*)$")
# What the last group is called in a schedule, also where a user's recipe names it otherwise.
HEAD = "head"


@dataclass(frozen=True)
class Stage:
    """A span of epochs with one frozen set.

    Attributes:
        index: Position among the stages, from 0.
        first_epoch: First epoch of the stage, counted from 0.
        end_epoch: Epoch after its last one.
        depth: Number of backbone groups that train, counted from the head. The head always does.
    """

    index: int
    first_epoch: int
    end_epoch: int
    depth: int


def schedule_of(setting: str) -> str:
    """A schedule as text: a setting that is the path of a YAML file gives what stands in it.

    The file has a line for each stage, its first epoch and a group: `2: block7a`.

    Raises:
        ConfigError: The file is missing, or holds something else.
    """
    path = Path(setting)
    if path.suffix not in (".yaml", ".yml"):
        return setting
    steps = load_yaml(path, "schedule")
    wrong = next((f"{key}: {value}" for key, value in steps.items() if _is_no_step(key, value)), "")
    if wrong or not steps:
        raise ConfigError(
            f"The schedule {path} must hold lines such as 2: block7a (first epoch of a stage: "
            f"group from which on layers train). Received: {wrong or 'an empty file'}"
        )
    return ",".join(f"{epoch}:{group}" for epoch, group in steps.items())


def _is_no_step(key: object, value: object) -> bool:
    return not (isinstance(key, str) and isinstance(value, str) and _STEP.match(f"{key}:{value}"))


def schedule_text(stages: Sequence[Stage], groups: Sequence[str]) -> str:
    """The schedule of some stages, by the names of groups.

    Args:
        stages: What `plan_stages` gives.
        groups: As it was given.
    """
    names = [*groups, HEAD]
    return ",".join(f"{one.first_epoch + 1}:{names[-1 - one.depth]}" for one in stages)


def check_new_schedule(path: Path) -> None:
    """Check that a schedule can be written.

    Raises:
        ConfigError: It has another ending than YAML's, its folder is missing, or it is there.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"A schedule is a YAML file, such as unfreeze.yaml. Received: {path}")
    if path.exists():
        raise ConfigError(f"{path} exists already; name another file for the schedule.")
    if not path.parent.is_dir():
        raise ConfigError(f"The schedule cannot be written: there is no folder {path.parent}.")


def write_schedule(path: Path, text: str, groups: Sequence[str], epochs: int) -> None:
    """Write a schedule to edit and give back as the setting `unfreeze`.

    Args:
        path: A new YAML file.
        text: The schedule.
        groups: Names of the backbone's layer groups from the input side.
        epochs: Number of epochs.

    Raises:
        ConfigError: The file cannot be written.
    """
    lines = [
        f"# Stages of {epochs} epochs: the first epoch of each, counted from 1, and the layer",
        "# group from which on it trains, up to the head. Edit and give the file to --unfreeze.",
        f"# Groups from the input: {', '.join([*groups, HEAD])}",
        *(step.replace(":", ": ") for step in text.split(",")),
    ]
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"Cannot write the schedule {path}: {error.strerror}.") from None


def parse_unfreeze(text: str) -> list[tuple[int, int | str]]:
    """Read a schedule such as `2:1,5:3` into `(epoch from 1, groups or group name)` pairs.

    Raises:
        ConfigError: The text is no schedule, or its epochs do not increase.
    """
    steps: list[tuple[int, int | str]] = []
    for part in text.replace(" ", "").split(","):
        match = _STEP.match(part)
        if not match:
            raise ConfigError(
                "unfreeze must be auto, none, all, a schedule such as 2:1,5:3 (epoch:groups, ...; "
                f"quoted in YAML) or a YAML file that holds one. Received: {text!r}"
            )
        epoch, target = int(match[1]), match[2]
        steps.append((epoch, int(target) if target.isdigit() else target))
    epochs = [epoch for epoch, _ in steps]
    if epochs[0] < 1 or any(late <= early for early, late in pairwise(epochs)):
        raise ConfigError(
            f"The epochs of unfreeze count from 1 and must increase. Received: {text!r}"
        )
    counts = [target for _, target in steps if isinstance(target, int)]
    if any(late <= early for early, late in pairwise(counts)):
        raise ConfigError(f"The groups of unfreeze must grow from step to step. Received: {text!r}")
    return steps


def check_unfreeze(text: str, epochs: int) -> None:
    """Check a schedule against the number of epochs, before any model is known.

    Raises:
        ConfigError: The schedule is malformed or begins a stage after the last epoch.
    """
    if text in ("auto", "none", "all"):
        return
    last = parse_unfreeze(text)[-1][0]
    if last > epochs:
        raise ConfigError(
            f"unfreeze {text!r} begins a stage in epoch {last}, but there are only {epochs} "
            "epochs; raise --epochs or unfreeze earlier."
        )


def plan_stages(
    text: str, epochs: int, groups: Sequence[str], automatic: int | None = None
) -> list[Stage]:
    """Resolve a schedule into stages that cover all epochs.

    Args:
        text: The `unfreeze` setting; a file as `schedule_of` reads it.
        epochs: Number of epochs.
        groups: Names of the backbone's layer groups from the input side, without the head.
        automatic: How many groups `auto` ends with; the upper third if `None`.

    Raises:
        ConfigError: More groups are asked for than there are, or an unknown one.
    """
    text = schedule_of(text)
    check_unfreeze(text, epochs)
    if text == "none":
        starts = [(0, 0)]
    elif text == "all":
        starts = [(0, len(groups))]
    elif text == "auto":
        starts = _automatic(epochs, len(groups), automatic)
    else:
        steps = [(epoch - 1, _depth(target, groups)) for epoch, target in parse_unfreeze(text)]
        if any(late[1] <= early[1] for early, late in pairwise(steps)):
            raise ConfigError(
                f"Each step of unfreeze must train more groups than the one before. "
                f"Received: {text!r} for the groups {', '.join(groups)}"
            )
        starts = steps if steps[0][0] == 0 else [(0, 0), *steps]
    ends = [epoch for epoch, _ in starts[1:]] + [epochs]
    return [
        Stage(index, first, end, depth)
        for index, ((first, depth), end) in enumerate(zip(starts, ends, strict=True))
    ]


def _depth(target: int | str, groups: Sequence[str]) -> int:
    if isinstance(target, int):
        if target > len(groups):
            raise ConfigError(
                f"unfreeze asks for {target} groups, but the backbone has {len(groups)}: "
                f"{', '.join(groups)}."
            )
        return target
    if target not in groups:
        if target == HEAD:
            return 0
        raise ConfigError(
            f"unfreeze names the group {target!r}; the backbone has: {', '.join(groups)}."
        )
    return len(groups) - list(groups).index(target)


def _automatic(epochs: int, groups: int, deepest: int | None) -> list[tuple[int, int]]:
    """Head alone for a sixth of the epochs (at most three), then the upper third of the groups.

    A head that is still random would send useless gradients into pretrained layers (Kumar et
    al. 2022, https://arxiv.org/abs/2202.10054), so it trains alone first; the layers near the
    input stay frozen, since a few hundred examples do not improve them.
    """
    if epochs == 1 or groups == 0:
        return [(0, 0)]
    head_epochs = min(3, max(1, epochs // 6))
    depth = round(groups / 3) if deepest is None else min(deepest, groups)
    return [(0, 0), (head_epochs, max(1, depth))]


def stage_at(stages: Sequence[Stage], epoch: int) -> Stage:
    """The stage that an epoch (from 0) belongs to; epochs past the end belong to the last."""
    current = stages[0]
    for stage in stages:
        if epoch >= stage.first_epoch:
            current = stage
    return current
