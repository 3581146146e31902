"""The schedule of gradual unfreezing: from the text of a setting to stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from kfine.errors import ConfigError
from kfine.models.groups import HEAD
from kfine.training.schedule import NAMED, STEP, depth_of, entries_of, is_list


@dataclass(frozen=True)
class Stage:
    """A span of epochs with one frozen set.

    Attributes:
        index: Position among the stages, from 0.
        first_epoch: First epoch of the stage, counted from 0.
        end_epoch: Epoch after its last one.
        depth: Number of backbone groups that train, counted from the head. The head always does.
        learning_rate: Peak rate of the head, where the schedule gives one.
        group_rates: Peak rates of single groups, where the schedule gives them.
    """

    index: int
    first_epoch: int
    end_epoch: int
    depth: int
    learning_rate: float | None = None
    group_rates: Mapping[str, float] = field(default_factory=dict, hash=False)


def schedule_text(stages: Sequence[Stage], groups: Sequence[str]) -> str:
    """The schedule of some stages as a text, by the names of groups and without their rates.

    Args:
        stages: What `plan_stages` gives.
        groups: As it was given.
    """
    names = [*groups, HEAD]
    return ",".join(f"{one.first_epoch + 1}:{names[-1 - one.depth]}" for one in stages)


def parse_unfreeze(text: str) -> list[tuple[int, int | str]]:
    """Read a schedule such as `2:1,5:3` into `(epoch from 1, groups or group name)` pairs.

    Raises:
        ConfigError: The text is no schedule, or its epochs do not increase.
    """
    steps: list[tuple[int, int | str]] = []
    for part in text.replace(" ", "").split(","):
        match = STEP.match(part)
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
        ConfigError: The schedule is malformed, begins a stage after the last epoch, or is a list
            of stages for another number of epochs.
    """
    if text in NAMED:
        return
    if is_list(text):
        total = epochs_of(text)
        if total != epochs:
            raise ConfigError(
                f"The stages of unfreeze last {total} epochs together; leave epochs out, or "
                f"make them agree. Received: epochs {epochs}"
            )
        return
    last = parse_unfreeze(text)[-1][0]
    if last > epochs:
        raise ConfigError(
            f"unfreeze {text!r} begins a stage in epoch {last}, but there are only {epochs} "
            "epochs; raise --epochs or unfreeze earlier."
        )


def epochs_of(text: str) -> int:
    """The epochs of all stages of a schedule that is a list."""
    return sum(entry.epochs for entry in entries_of(text))


def plan_stages(
    text: str,
    epochs: int,
    groups: Sequence[str],
    automatic: int | None = None,
    *,
    started: bool = False,
    pretrained: bool = False,
    whole: int | None = None,
) -> list[Stage]:
    """Resolve a schedule into stages that cover all epochs.

    Args:
        text: The `unfreeze` setting, as `read_unfreeze` gives it.
        epochs: Number of epochs.
        groups: Names of the backbone's layer groups from the input side, without the head.
        automatic: How many groups `auto` ends with; the upper third if `None`, none if 0.
        started: Whether the head is not random, so that `auto` need not train it alone first.
        pretrained: Whether the head is as trained as all else, so that `auto` never does.
        whole: How many groups `all` trains; every one if `None`.

    Raises:
        ConfigError: More groups are asked for than there are, or an unknown one.
    """
    check_unfreeze(text, epochs)
    if is_list(text):
        return _listed(text, groups)
    if text == "none":
        starts = [(0, 0)]
    elif text == "all":
        starts = [(0, len(groups) if whole is None else whole)]
    elif text == "auto":
        starts = [(0, _deepest(len(groups), automatic))]
        if not pretrained:
            starts = _automatic(epochs, len(groups), automatic, started=started)
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


def _listed(text: str, groups: Sequence[str]) -> list[Stage]:
    stages: list[Stage] = []
    for index, entry in enumerate(entries_of(text)):
        first = stages[-1].end_epoch if stages else 0
        depth = depth_of(entry, index + 1, groups)
        rates = (entry.learning_rate, entry.group_rates)
        stages.append(Stage(index, first, first + entry.epochs, depth, *rates))
    return stages


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


def _automatic(
    epochs: int, groups: int, deepest: int | None, *, started: bool
) -> list[tuple[int, int]]:
    """Head alone for a sixth of the epochs (at most three), then the upper third of the groups.

    A head that is still random would send useless gradients into pretrained layers (Kumar et
    al. 2022, https://arxiv.org/abs/2202.10054), so it trains alone first, unless it started at a
    linear model of the features; the layers near the input stay frozen, since a few hundred
    examples do not improve them.
    """
    depth = _deepest(groups, deepest)
    if epochs == 1 or depth == 0:
        return [(0, 0)]
    head_epochs = min(3, max(1, epochs // 6))
    return [(0, depth)] if started else [(0, 0), (head_epochs, depth)]


def _deepest(groups: int, asked: int | None) -> int:
    """How many groups `auto` ends with."""
    if groups == 0 or asked == 0:
        return 0
    return max(1, round(groups / 3) if asked is None else min(asked, groups))


def stage_at(stages: Sequence[Stage], epoch: int) -> Stage:
    """The stage that an epoch (from 0) belongs to; epochs past the end belong to the last."""
    current = stages[0]
    for stage in stages:
        if epoch >= stage.first_epoch:
            current = stage
    return current
