"""The adapters of a job: put on its backbone before it trains, kept and folded in afterwards."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kfine.adapters.adding import add_to_backbone, reach_of_adapters
from kfine.adapters.attaching import Adapter, adapted_layers, fold_adapters, take_away
from kfine.adapters.file import NAME, AdapterFile, write_adapter
from kfine.adapters.options import LOW_RANK, AdapterOptions
from kfine.adapters.targets import Target
from kfine.console import Console, format_bytes
from kfine.errors import ConfigError, RunError
from kfine.models.groups import LayerGroup
from kfine.runs.folder import RunFolder
from kfine.training.proof import PresetChanged


@dataclass(frozen=True)
class Adapted:
    """The adapters of a model.

    Attributes:
        options: Which.
        base: SHA-256 of the backbone's weights before they were put there.
        reach: Groups from the head down to the lowest with an adapter.
        sentence: Where they are, in words.
    """

    options: AdapterOptions
    base: str
    reach: int
    sentence: str


def add_adapters_of(groups: Sequence[LayerGroup], options: AdapterOptions, seed: int) -> Adapted:
    """Put adapters on a backbone.

    Args:
        groups: All layer groups of a model as it was built, the head last.
        options: Which.
        seed: Of the run.

    Raises:
        ConfigError: See `add_to_backbone`.
    """
    base = digest_of(groups)
    placed = add_to_backbone(groups, options, seed)
    return Adapted(options, base, reach_of_adapters(groups), _sentence(options, placed))


def check_reach(groups: Sequence[LayerGroup], depth: int, unfreeze: str) -> None:
    """Refuse a schedule in which no adapter trains.

    Args:
        groups: All layer groups, the head last.
        depth: How many of the backbone the last stage trains.
        unfreeze: The schedule, for the error.

    Raises:
        ConfigError: It ends above the lowest group with an adapter.
    """
    reached = groups[len(groups) - 1 - depth : -1]
    if not adapted_layers(layer for group in reached for layer in group.layers):
        there = [one.name for one in groups[:-1] if adapted_layers(one.layers)]
        raise ConfigError(
            f"No adapter would train: they are in {', '.join(there)}; leave unfreeze out, or let "
            f"it reach one of these. Received: unfreeze {unfreeze!r}"
        )


def digest_of(groups: Sequence[LayerGroup]) -> str:
    """SHA-256 of the weights of a backbone, in the order of its groups.

    Args:
        groups: All layer groups of a model without adapters, the head last.
    """
    hasher = hashlib.sha256()
    for group in groups[:-1]:
        for variable in group.weights:
            value = np.ascontiguousarray(variable.numpy())
            hasher.update(repr((value.shape, str(value.dtype))).encode())
            hasher.update(value.data)
    return hasher.hexdigest()


def _sentence(options: AdapterOptions, placed: Sequence[Target]) -> str:
    counted = Counter(one.family or "other" for one in placed)
    layers = " and ".join(f"{count} {family}" for family, count in counted.items())
    groups = list(dict.fromkeys(one.group.name for one in placed))
    where = groups[0] if len(groups) == 1 else f"{groups[0]} to {groups[-1]}"
    rank = f" of rank {options.rank}" if options.method in LOW_RANK else ""
    return f"{options.method}{rank} on {layers} layers, {where}"


def check_base(folder: RunFolder, adapted: Adapted) -> None:
    """Write the hash of the backbone into a run, or compare it with what the run began with.

    Raises:
        PresetChanged: It is another.
    """
    known = folder.info().get("adapter_base", adapted.base)
    if known != adapted.base:
        raise PresetChanged
    folder.update(adapter_base=adapted.base)


def keep_and_fold(
    folder: RunFolder,
    adapted: Adapted,
    groups: Sequence[LayerGroup],
    about: dict[str, Any],
    console: Console,
) -> None:
    """Write the adapters of a trained model into its run, and fold them into its weights.

    Args:
        folder: Of the run.
        adapted: What was put there.
        groups: All layer groups of the model, the head last.
        about: For the file.
        console: Hears of it.
    """
    layers = [layer for group in groups[:-1] for layer in group.layers]
    found = _with_paths(groups)
    file = AdapterFile(
        options=adapted.options,
        base=adapted.base,
        paths=tuple(path for path, _ in found),
        layers=[adapter.learned() for _, adapter in found],
        head=[one.numpy() for one in groups[-1].weights],
        about=about,
    )
    write_adapter(folder.path / NAME, file)
    fold_adapters(layers)
    size = format_bytes((folder.path / NAME).stat().st_size)
    console.say(f"the adapter is in {NAME} ({size}), and folded into the model")


def restore_and_fold(groups: Sequence[LayerGroup], file: AdapterFile, name: str) -> None:
    """Give a model as it was built what an adapter file holds: in its backbone, and its head.

    Args:
        groups: All layer groups of the model, the head last, without adapters.
        file: The file.
        name: Of it, for the error.

    Raises:
        ConfigError: It is of another base, or of another head.
        RunError: It does not hold what its layers need.
    """
    adapted = add_adapters_of(groups, file.options, seed=0)
    layers = [layer for group in groups[:-1] for layer in group.layers]
    found = _with_paths(groups)
    if adapted.base != file.base:
        fold_adapters(layers)
        raise ConfigError(
            f"An adapter goes on the weights that it was trained on. Received: {name}, of the "
            f"preset {file.about.get('preset')} with the hash {file.base[:12]}, for a backbone "
            f"with the hash {adapted.base[:12]}"
        )
    same = len(found) == len(file.layers) and all(
        {key: tuple(one.shape) for key, one in adapter.variables.items()}
        == {key: value.shape for key, value in learned.items()}
        for (_, adapter), learned in zip(found, file.layers, strict=True)
    )
    if not same:
        take_away(layers)
        raise RunError(f"The adapter of {name} is damaged: it is not of its layers; fit it again.")
    for (_, adapter), learned in zip(found, file.layers, strict=True):
        adapter.restore(learned)
    fold_adapters(layers)
    shapes = [tuple(one.shape) for one in groups[-1].weights]
    if shapes != [value.shape for value in file.head]:
        raise ConfigError(
            f"The head of {name} is another: its weights have the shapes "
            f"{[value.shape for value in file.head]}. Received: a model with {shapes}"
        )
    for variable, value in zip(groups[-1].weights, file.head, strict=True):
        variable.assign(value)


def _with_paths(groups: Sequence[LayerGroup]) -> list[tuple[str, Adapter]]:
    return [
        (f"{group.name}/{layer.name}", adapter)
        for group in groups[:-1]
        for layer, adapter in adapted_layers(group.layers)
    ]
