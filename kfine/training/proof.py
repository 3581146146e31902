"""The proof of a freeze: which layer groups moved during a stage."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kfine.errors import RunError
from kfine.keras_private import flattened, made_to_train
from kfine.models.groups import LayerGroup, is_batch_norm

Digests = dict[str, dict[str, str]]


class FreezeBroken(RuntimeError):
    """A frozen group moved, or a group that should train did not: a fault of the program."""


class PresetChanged(RunError):
    """The weights that a resumed run is built on are others than those that it began with."""

    def __init__(self) -> None:
        super().__init__(
            "The preset's weights are not those that the run began with; restore the preset, or "
            "start a new run."
        )


@dataclass(frozen=True)
class Movement:
    """Which groups moved in a stage and which stayed, by name."""

    moved: tuple[str, ...]
    stayed: tuple[str, ...]
    only_batch_norm: tuple[str, ...]

    def sentence(self) -> str:
        """One line for the report of the stage."""
        still = f"{len(self.stayed)} frozen groups are bit for bit the same"
        words = f"moved: {', '.join(self.moved)}; {still}" if self.moved else still
        if self.only_batch_norm:
            words += f"; nothing to train but BatchNorm in: {', '.join(self.only_batch_norm)}"
        return words


def group_digests(groups: Sequence[LayerGroup]) -> Digests:
    """Hash each group's variables: `{group: {"all": ..., "trains": ..., "still": ...}}`.

    `trains` are those that train now, `still` those that were made to train and do not now:
    what adapters were put on, BatchNorm that is kept as it is. Statistics are in `all` alone.

    A hash instead of a copy, so that the proof costs no memory and fits into a checkpoint.
    """
    return {
        group.name: {
            "all": _digest([v for v in group.weights if not _is_seed(v)]),
            "trains": _digest([v for v in _made_to_train(group) if v.trainable]),
            "still": _digest([v for v in _made_to_train(group) if not v.trainable]),
        }
        for group in groups
    }


def _made_to_train(group: LayerGroup) -> list[Any]:
    layers = [inner for layer in group.layers for inner in flattened(layer)]
    return [variable for layer in layers for variable in made_to_train(layer)]


def _is_seed(variable: Any) -> bool:
    return "seed_generator" in getattr(variable, "path", "")


def _digest(variables: Sequence[Any]) -> str:
    hasher = hashlib.sha256()
    for variable in variables:
        # Adding zero makes -0.0 and 0.0 the same: a sign that flips is no movement.
        hasher.update(np.ascontiguousarray(variable.numpy() + 0).view(np.uint8).data)
    return hasher.hexdigest()


def check_movement(groups: Sequence[LayerGroup], depth: int, before: Digests) -> Movement:
    """Compare a stage's groups with their digests at its start.

    Args:
        groups: All groups, the head last, still in the state of the stage.
        depth: Number of backbone groups that trained.
        before: `group_digests` at the start of the stage.

    Raises:
        FreezeBroken: A frozen group changed, or one that should train did not.
    """
    after = group_digests(groups)
    first = len(groups) - 1 - depth
    frozen, training = groups[:first], groups[first:]
    wrong = [group.name for group in frozen if after[group.name] != before[group.name]]
    if wrong:
        raise FreezeBroken(f"Frozen groups changed their weights: {', '.join(wrong)}.")
    wrong = [
        group.name
        for group in training
        if after[group.name]["still"] != before[group.name]["still"]
    ]
    if wrong:
        raise FreezeBroken(f"Frozen weights of groups that train changed: {', '.join(wrong)}.")
    empty = [group.name for group in training if not _has_trainable(group)]
    still = [
        group.name
        for group in training
        if group.name not in empty and after[group.name]["trains"] == before[group.name]["trains"]
    ]
    if still:
        raise FreezeBroken(f"Groups that should train did not move: {', '.join(still)}.")
    return Movement(
        moved=tuple(group.name for group in training if group.name not in empty),
        stayed=tuple(group.name for group in frozen),
        only_batch_norm=tuple(
            group.name
            for group in training
            if group.name in empty and any(is_batch_norm(leaf) for leaf in group.leaves())
        ),
    )


def _has_trainable(group: LayerGroup) -> bool:
    return any(layer.trainable_variables for layer in group.layers)
