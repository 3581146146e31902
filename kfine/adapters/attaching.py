"""Adapters on layers: put there, and folded into the weights that they were put on."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from kfine.errors import ConfigError
from kfine.keras_private import (
    adding_to,
    flattened,
    given_back,
    made_to_train,
    taken_from,
)

_NAME = "kfine_adapter"
# How Keras calls what its own `enable_lora` adds to a layer.
_KERAS = "lora_"


class Adapter(Protocol):
    """What trains on a layer in place of its weights.

    Attributes:
        variables: By name; those that it added to the layer, or some of the layer's own.
        added: Weights and layers that the layer has of it.
    """

    variables: dict[str, Any]
    added: list[Any]

    def call(self, inputs: Any) -> Any:
        """What the layer gives with it; never called where nothing was added to the layer."""

    def learned(self) -> dict[str, np.ndarray]:
        """What a file keeps of it, by name, float32."""

    def restore(self, learned: Mapping[str, np.ndarray]) -> None:
        """Become what `learned` gave, on the same weights of the layer."""

    def fold(self) -> None:
        """Change the layer's own weights so that they alone give the same, and become neutral."""


def attach(layer: Any, adapter: Adapter) -> None:
    """Put an adapter on a layer, which stays the object that its model is made of."""
    if adapter.added:
        kind: Any = type(layer)
        object.__setattr__(layer, "__class__", _with_adapter(kind))
    setattr(layer, _NAME, adapter)


def detach(layer: Any) -> None:
    """Take the adapter of a layer away, and leave the layer's own weights as they are."""
    adapter = adapter_of(layer)
    if adapter is None:
        return
    if adapter.added:
        for name in _attributes(layer, adapter):
            object.__delattr__(layer, name)
        taken_from(layer, adapter.added)
        object.__setattr__(layer, "__class__", type(layer).__mro__[1])
    delattr(layer, _NAME)


def _attributes(layer: Any, adapter: Adapter) -> dict[str, Any]:
    """What a layer has of its adapter under a name of its own."""
    return {
        name: one
        for name, one in vars(layer).items()
        if any(one is other for other in adapter.added)
    }


@contextmanager
def without_adapters(layers: Iterable[Any]) -> Iterator[None]:
    """Within it, the layers inside some layers are as they were before they got adapters."""
    found = [(one, adapter, _attributes(one, adapter)) for one, adapter in adapted_layers(layers)]
    for layer, _, _ in found:
        detach(layer)
    try:
        yield
    finally:
        for layer, adapter, attributes in found:
            given_back(layer, adapter.added, attributes)
            attach(layer, adapter)


def adapter_of(layer: Any) -> Adapter | None:
    """The adapter of a layer."""
    return getattr(layer, _NAME, None)


def adapted_layers(layers: Iterable[Any]) -> list[tuple[Any, Adapter]]:
    """The layers inside some layers, at any depth, that have an adapter of kfine, and that."""
    inside = (one for layer in layers for one in flattened(layer))
    found = ((one, adapter_of(one)) for one in inside)
    return [(one, adapter) for one, adapter in found if adapter is not None]


def adapter_variables(layer: Any) -> list[Any]:
    """What trains of a layer in a model with adapters: nothing where it has none.

    Keras' own `enable_lora` counts too.
    """
    adapter = adapter_of(layer)
    if adapter is not None:
        return list(adapter.variables.values())
    if not getattr(layer, "lora_enabled", False):
        return []
    return [one for one in made_to_train(layer) if one.name.startswith(_KERAS)]


def take_away(layers: Iterable[Any]) -> None:
    """Take the adapters inside some layers away, and with them what they learned."""
    for layer, _ in adapted_layers(layers):
        detach(layer)


def fold_adapters(layers: Iterable[Any]) -> None:
    """Fold the adapters inside some layers into their weights, and take them away."""
    for layer, adapter in adapted_layers(layers):
        adapter.fold()
        detach(layer)


def add_weight(layer: Any, name: str, value: np.ndarray) -> Any:
    """A weight that trains, of a built layer that had none of the name."""
    with adding_to(layer):
        variable = layer.add_weight(shape=value.shape, initializer="zeros", name=name)
    variable.assign(value)
    return variable


def add_layer(layer: Any, name: str, inner: Any) -> None:
    """Put a layer into a built one, which is told with it whether it trains."""
    with adding_to(layer):
        setattr(layer, name, inner)


@functools.cache
def _with_adapter(kind: Any) -> type:
    """The class of a layer with an adapter: it computes what the adapter says."""

    def call(self: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        return getattr(self, _NAME).call(inputs)

    def get_config(self: Any) -> Any:
        raise ConfigError(
            "A model with adapters is saved and cloned without them: kfine.merge_adapters folds "
            f"them in; save_weights keeps both apart. Received: {self.name!r} with an adapter"
        )

    own = {"call": call, "get_config": get_config, "__module__": __name__}
    return type(f"Adapted{kind.__name__}", (kind,), own)
