"""Which layers of a backbone get adapters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from kfine.adapters.kernels import KERNELS, Kernel, kernel_of
from kfine.adapters.options import words_of
from kfine.config import closest
from kfine.errors import ConfigError
from kfine.keras_private import flattened, made_to_train
from kfine.models.groups import LayerGroup

FAMILIES = ("attention", "mlp", "conv", "embedding", "all")
# What (IA)3 takes of an attention.
_KEYS_AND_VALUES = re.compile(r"(^|_)(key|value|k|v)(_|$)")
_LISTED = 12


@dataclass(frozen=True)
class Target:
    """A layer that may get an adapter.

    Attributes:
        layer: A built layer with weights of its own.
        group: The layer group that it is in.
        family: "attention", "mlp", "conv" or "embedding"; empty of a layer without a kernel.
    """

    layer: Any
    group: LayerGroup
    family: str

    @property
    def kernel(self) -> Kernel | None:
        """Its kernel, if an adapter knows how to change it."""
        return kernel_of(self.layer)

    @property
    def path(self) -> str:
        """What patterns are matched with, and errors list: its group and its own name."""
        name = str(self.layer.name)
        return name if name == self.group.name else f"{self.group.name}/{name}"


def targets_of(groups: Sequence[LayerGroup]) -> list[Target]:
    """Every layer of a backbone that has weights of its own, from the input side.

    Args:
        groups: Layer groups without the head.
    """
    return [
        Target(layer, group, _family(layer, inside))
        for group in groups
        for layer, inside in _with_attention(group)
        if made_to_train(layer)
    ]


def find_targets(groups: Sequence[LayerGroup], asked: str, *, of_kernels: bool) -> list[Target]:
    """The layers that are to get adapters.

    Args:
        groups: Layer groups without the head.
        asked: Families, names of layers, groups or `GROUP/LAYER` paths with `*`, with commas
            between; if empty, attention and mlp of a transformer, and the convolutions of others,
            or all layers with weights where kernels are not asked.
        of_kernels: Whether what is put on them changes kernels.

    Raises:
        ConfigError: A word matches no layer that can be adapted.
    """
    known = targets_of(groups)
    able = [one for one in known if one.kernel is not None] if of_kernels else known
    if not asked and not of_kernels:
        return able
    chosen: set[int] = set()
    for word in words_of(asked) or families_of(able):
        found = [one for one in able if _matches(one, word)]
        if not found:
            raise ConfigError(_unknown(word, able))
        chosen.update(id(one.layer) for one in found)
    return [one for one in able if id(one.layer) in chosen]


def families_of(able: Sequence[Target]) -> list[str]:
    """The families that are adapted by default: those of a transformer, or convolutions."""
    there = {one.family for one in able}
    if "attention" in there:
        return [one for one in ("attention", "mlp") if one in there]
    return [one for one in ("conv", "mlp") if one in there]


def for_ia3(target: Target) -> bool:
    """Whether (IA)3 takes a layer: of an attention only keys and values, and else every one."""
    return target.family != "attention" or bool(_KEYS_AND_VALUES.search(target.layer.name))


def _matches(target: Target, word: str) -> bool:
    if word == "all":
        return target.family != "embedding"
    if word in FAMILIES:
        return target.family == word
    names = (target.layer.name, target.group.name, target.path)
    return any(fnmatchcase(name, word) for name in names)


def _with_attention(group: LayerGroup) -> list[tuple[Any, bool]]:
    """Each layer inside a group, and whether it lies inside an attention."""
    found = [one for layer in group.layers for one in flattened(layer)]
    inside = {
        id(inner)
        for one in found
        if "attention" in type(one).__name__.lower()
        for inner in flattened(one)
    }
    return [(one, id(one) in inside) for one in found]


def _family(layer: Any, in_attention: bool) -> str:
    kind = KERNELS.get(type(layer))
    family = "" if kind is None else kind.family
    return "attention" if family == "mlp" and in_attention else family


def _unknown(word: str, able: Sequence[Target]) -> str:
    there = sorted({one.family for one in able if one.family})
    names = list(dict.fromkeys(one.layer.name for one in able))
    shown = ", ".join(names[:_LISTED])
    if len(names) > _LISTED:
        shown += f" and {len(names) - _LISTED} more"
    families = f"families {', '.join(there)}; " if there else ""
    close = closest(word, [*there, *names, *(one.group.name for one in able)])
    return (
        f"adapter_targets matches no layer that can be adapted; there are {families}layers {shown}"
        + (f"; the nearest is {close!r}" if close else "")
        + f". Received: {word!r}"
    )
