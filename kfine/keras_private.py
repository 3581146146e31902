"""What kfine takes of Keras that Keras does not promise, in one place, with a test for each.

Written against Keras 3.15. A release that moves one of these fails
`tests/test_keras_private.py`, which says what it is needed for.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


def flattened(layer: Any) -> list[Any]:
    """A layer or model, and every layer inside it, at any depth."""
    return list(layer._flatten_layers())


def takes_training(layer: Any) -> bool:
    """Whether a layer's call is told if it trains."""
    return bool(layer._call_has_training_arg)


def made_to_train(layer: Any) -> list[Any]:
    """Variables of a layer itself that were added as trainable, whatever is frozen of them now."""
    return list(layer._trainable_variables)


def graph_of(model: Any) -> Any:
    """The functional model that a subclass is built around, such as a KerasHub task, or itself."""
    return getattr(model, "_functional", None) or model


def is_graph(model: Any) -> bool:
    """Whether a model is made of calls that can be walked through."""
    return hasattr(model, "_nodes_by_depth")


def calls_of(graph: Any) -> list[Any]:
    """All calls of a functional model in the order in which they are made."""
    depths = sorted(graph._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in graph._nodes_by_depth[depth] if not node.is_input]


def inputs_of(graph: Any) -> Any:
    """The inputs of a functional model in the structure that it is called with."""
    return graph._inputs_struct


def outputs_of(graph: Any) -> Any:
    """The outputs of a functional model in the structure that it returns."""
    return graph._outputs_struct


def call_counts(layer: Any) -> tuple[int, int]:
    """How often a layer was called, and how often what it gave was passed on."""
    return len(layer._inbound_nodes), len(layer._outbound_nodes)


def forget_calls(layer: Any, counts: tuple[int, int]) -> None:
    """Forget the calls behind those of `call_counts`: models that are gone would stay in memory."""
    inbound, outbound = counts
    del layer._inbound_nodes[inbound:]
    del layer._outbound_nodes[outbound:]


def trained_by(optimizer: Any) -> list[Any]:
    """The variables that a built optimizer knows."""
    return list(optimizer._trainable_variables)


def averages_of(optimizer: Any) -> list[Any]:
    """The moving averages that an optimizer with `use_ema` keeps, one for each of `trained_by`."""
    return list(optimizer._model_variables_moving_average)


def track_loss(model: Any, loss: Any, examples: Any) -> None:
    """Let the loss that an epoch reports know that of some examples, as `train_step` does."""
    from keras.src.losses.loss import unscale_loss_for_distribution

    model._loss_tracker.update_state(unscale_loss_for_distribution(loss), sample_weight=examples)


def seed_generators(layer: Any) -> list[Any]:
    """The generators that a layer itself draws from."""
    return list(getattr(layer, "_seed_generators", []))


def describes_itself(layer: Any) -> None:
    """Make a layer's description hold all that it was made with.

    KerasHub 0.32 forgets some of it for the blocks of language models: Llama's `get_config` raises
    an AttributeError, and what Qwen3's gives makes no equal layer. The description is the one that
    the layer's class reads, so that a file loads where there is no kfine.

    Args:
        layer: Whose attributes have the names of the arguments that it was made with.
    """
    import keras

    names = [
        one.name
        for one in inspect.signature(type(layer).__init__).parameters.values()
        if one.kind == one.POSITIONAL_OR_KEYWORD and one.name != "self"
    ]

    def described() -> dict[str, Any]:
        own = {name: getattr(layer, name) for name in names}
        for name, write in (
            ("activation", keras.activations.serialize),
            ("kernel_initializer", keras.initializers.serialize),
        ):
            if name in own:
                own[name] = write(own[name])
        return {**keras.layers.Layer.get_config(layer), **own}

    layer.get_config = described


@contextmanager
def adding_to(layer: Any) -> Iterator[None]:
    """Within it, a built layer takes weights and layers that it was not built with."""
    locked = layer._tracker.locked
    layer._tracker.unlock()
    try:
        yield
    finally:
        if locked:
            layer._tracker.lock()


def taken_from(layer: Any, added: Sequence[Any]) -> None:
    """Make a layer forget weights and layers that were added to it."""
    with adding_to(layer):
        for one in added:
            layer._tracker.untrack(one)


def given_back(layer: Any, added: Sequence[Any], attributes: Mapping[str, Any]) -> None:
    """Give a layer what `taken_from` took: weights, and layers that it has as attributes."""
    with adding_to(layer):
        for name, one in attributes.items():
            setattr(layer, name, one)
        for one in added:
            if not any(one is other for other in attributes.values()):
                layer._track_variable(one)
