"""Adapters put on a backbone, and folded into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kfine.adapters.attaching import adapted_layers, attach
from kfine.adapters.chosen import Chosen, biases, norms
from kfine.adapters.dora import DoRA
from kfine.adapters.ia3 import IA3, suits
from kfine.adapters.lora import LoRA
from kfine.adapters.options import AdapterOptions
from kfine.adapters.targets import Target, find_targets, for_ia3
from kfine.errors import ConfigError
from kfine.keras_private import flattened, made_to_train
from kfine.models.groups import LayerGroup, is_batch_norm
from kfine.seeds import derive_seed

_ON_KERNELS: dict[str, Any] = {"lora": LoRA, "rslora": LoRA, "dora": DoRA, "ia3": IA3}
_OWN_WEIGHTS: dict[str, Any] = {"bitfit": biases, "norms": norms}


def add_to_backbone(
    groups: Sequence[LayerGroup], options: AdapterOptions, seed: int
) -> list[Target]:
    """Put adapters on the layers of a backbone.

    What the model computes stays as it was, since every method begins neutral.

    Args:
        groups: All layer groups of the model, the head last, which gets none.
        options: What to put there.
        seed: Of whatever is random in an adapter.

    Returns:
        The layers that got one, from the input side, those of whole groups not among them.

    Raises:
        ConfigError: A target matches nothing, no layer suits the method, or so many groups are to
            train as a whole that none is left.
    """
    backbone = list(groups[:-1])
    whole = options.whole_groups
    if whole >= len(backbone):
        raise ConfigError(
            f"adapter_whole_groups leaves no group for adapters; the backbone has {len(backbone)}: "
            f"{', '.join(one.name for one in backbone)}. Received: {whole}"
        )
    below = backbone[: len(backbone) - whole]
    targets = find_targets(below, options.targets, of_kernels=options.method in _ON_KERNELS)
    tables = [one.layer.name for one in targets if one.family == "embedding"]
    if tables and options.method in ("dora", "ia3"):
        raise ConfigError(
            f"{options.method} is no method for an embedding; take lora, or other adapter_targets. "
            f"Received: {tables[0]}"
        )
    placed = [
        target
        for number, target in enumerate(targets)
        if _place(target, options, derive_seed(seed, number))
    ]
    if not placed:
        raise ConfigError(
            f"The adapter {options.method!r} suits none of the layers; choose another of "
            f"adapter, or other adapter_targets. Received: {options.targets or 'the default'}"
        )
    for group in backbone[len(backbone) - whole :]:
        for layer in (inner for one in group.layers for inner in flattened(one)):
            own = made_to_train(layer)
            if own and not is_batch_norm(layer):
                attach(layer, Chosen(own))
    return placed


def _place(target: Target, options: AdapterOptions, seed: int) -> bool:
    """Put an adapter on a layer, if the method has anything to put there."""
    if options.method in _OWN_WEIGHTS:
        chosen = _OWN_WEIGHTS[options.method](target.layer)
        if chosen:
            attach(target.layer, Chosen(chosen))
        return bool(chosen)
    kernel = target.kernel
    assert kernel is not None
    if options.method == "ia3" and not (for_ia3(target) and suits(kernel)):
        return False
    attach(target.layer, _ON_KERNELS[options.method](kernel, options, seed))
    return True


def second_matrices(groups: Sequence[LayerGroup]) -> list[Any]:
    """The second matrix of each low-rank change, which LoRA+ trains faster than the first.

    Reference:
        Hayou et al., 2024, https://arxiv.org/abs/2402.12354.
    """
    layers = [layer for group in groups for layer in group.layers]
    own = [adapter.variables for _, adapter in adapted_layers(layers)]
    return [one["lora_b"] for one in own if "lora_b" in one]


def reach_of_adapters(groups: Sequence[LayerGroup]) -> int:
    """How many groups of a backbone there are from the head down to the lowest with an adapter.

    Args:
        groups: All layer groups, the head last.
    """
    backbone = groups[:-1]
    numbers = [number for number, one in enumerate(backbone) if adapted_layers(one.layers)]
    return len(backbone) - min(numbers) if numbers else 0
