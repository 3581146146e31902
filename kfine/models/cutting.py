"""Cutting a model into a frozen trunk, which runs once per example, and a suffix that trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kfine.keras_private import calls_of, graph_of, inputs_of, is_graph, outputs_of, takes_training
from kfine.models.feeding import Fed, own_inputs
from kfine.models.groups import LayerGroup

# Stands for a dimension that is not known before data flows, such as height or sequence length:
# large enough that a pooled tensor counts as smaller than what it was pooled from.
_UNKNOWN_DIMENSION = 16


class CannotCut(Exception):
    """Why a model has no trunk at a place; its training goes on without one."""


@dataclass(frozen=True)
class Cut:
    """A model in two parts that share its layers.

    Attributes:
        name: The layer group that the suffix begins with.
        trunk: From the model's inputs to the features, the tensor or the tuple of tensors that
            cross the cut: activations, and inputs that the suffix needs too, such as a mask.
        suffix: From those features to the model's outputs; inputs that come from the targets
            follow behind the features.
        layers: The layers of the trunk that hold weights, in the order of their execution.
    """

    name: str
    trunk: keras.Model
    suffix: keras.Model
    layers: tuple[Any, ...] = field(repr=False)


def cut_model(
    model: keras.Model, groups: Sequence[LayerGroup], depth: int, fed: Fed | None = None
) -> Cut:
    """Cut a functional model below its lowest trainable group.

    Nested models that hold the groups, such as the backbone inside a KerasHub task, are opened.
    Everything that no trainable layer has touched may belong to the trunk, so also the pooling
    of a head; of the places between the last frozen weights and the first trainable ones, that
    with the fewest bytes per example is chosen. The layers are shared, not copied, and the model
    stays as it is.

    Args:
        model: A built functional or sequential model, or a KerasHub task.
        groups: From `layer_groups(model)`, the head last.
        depth: Number of backbone groups that train, counted from the head.
        fed: Inputs that come from the targets; what they reach is above the cut.

    Raises:
        CannotCut: The model is no graph of layers, or nothing below the cut is frozen.
    """
    first = len(groups) - 1 - depth
    if first <= 0:
        raise CannotCut("every layer group trains")
    own = own_training(model)
    if own:
        raise CannotCut(f"{type(model).__name__} has a {own} of its own, which a part would lose")
    graph = graph_of(model)
    if not is_graph(graph):
        raise CannotCut(f"{type(model).__name__} is no graph of layers")
    grouped = {id(layer) for group in groups for layer in group.layers}
    structure, fed = inputs_of(graph), fed or {}
    flat = keras.Model(structure, _opened(graph, graph.inputs, grouped))
    told = [structure[name] for name in fed]
    own = own_inputs(structure, fed)
    frozen = {id(layer) for group in groups[:first] for layer in group.layers}
    order = calls_of(flat)
    below, last_weights = _below(order, keras.tree.flatten(own), frozen)
    if not last_weights:
        raise CannotCut("no frozen layer with weights lies below the first that trains")
    length = _cheapest_length(flat, order, below, last_weights)
    later = {id(tensor) for tensor in told}
    live = [one for one in _crossing(flat, order, below[:length]) if id(one) not in later]
    return Cut(
        name=groups[first].name,
        trunk=keras.Model(own, _as_structure(live), name="trunk"),
        suffix=_suffix(flat, order, below[:length], [*live, *told]),
        layers=tuple(
            node.operation for node in below[:last_weights] if _weights_of(node.operation)
        ),
    )


def own_training(model: keras.Model) -> str:
    """Which method of training a model overrides, so that its loss lies inside; empty if none."""
    for name in ("compute_loss", "train_step", "compute_metrics"):
        owner = next(kind for kind in type(model).__mro__ if name in vars(kind))
        if owner.__module__.split(".")[0] != "keras":
            return name
    return ""


def joined_trunk(cuts: Sequence[Cut]) -> keras.Model:
    """One model from the inputs to the features of all cuts of a model, in a flat list."""
    outputs = [tensor for cut in cuts for tensor in cut.trunk.outputs]
    return keras.Model(inputs_of(cuts[0].trunk), outputs, name="trunks")


def _opened(graph: Any, inputs: Sequence[Any], grouped: set[int]) -> Any:
    """The outputs of a graph as tensors in which no container of groups is left."""
    if all(given is own for given, own in zip(inputs, graph.inputs, strict=True)) and not any(
        _is_container(node.operation, grouped) for node in calls_of(graph)
    ):
        return outputs_of(graph)
    known = {id(own): given for own, given in zip(graph.inputs, inputs, strict=True)}

    def call(operation: Any, arguments: Any, options: Any) -> Any:
        if not _is_container(operation, grouped):
            return operation(*arguments, **options)
        inner = graph_of(operation)
        given = arguments[0] if arguments else options["inputs"]
        return _opened(inner, keras.tree.flatten(given), grouped)

    return _replayed(graph, calls_of(graph), known, call)


def _replayed(
    graph: Any, nodes: Sequence[Any], known: dict[int, Any], call: Callable[..., Any]
) -> Any:
    """The outputs of a graph whose calls are made again on other tensors.

    Args:
        graph: The graph.
        nodes: The calls to make, in order.
        known: Tensors of the graph by identity, with what takes their place; added to.
        call: Makes one, from the operation, its arguments and its options.
    """
    for node in nodes:
        outputs = call(node.operation, *node.arguments.fill_in(known))
        for own, made in zip(node.outputs, keras.tree.flatten(outputs), strict=True):
            known[id(own)] = made
    return keras.tree.map_structure(lambda tensor: known[id(tensor)], outputs_of(graph))


def _is_container(operation: Any, grouped: set[int]) -> bool:
    """Whether an operation is a model around groups, rather than a layer of one."""
    inner = graph_of(operation)
    return id(operation) not in grouped and hasattr(inner, "_nodes_by_depth")


def _below(order: Sequence[Any], inputs: Sequence[Any], frozen: set[int]) -> tuple[list[Any], int]:
    """The calls that no trainable layer has touched, and how many of them reach frozen weights."""
    known = {id(tensor) for tensor in inputs}
    below: list[Any] = []
    last_weights = 0
    for node in order:
        operation = node.operation
        fixed = id(operation) in frozen or _is_fixed(operation)
        if not fixed or any(id(tensor) not in known for tensor in node.input_tensors):
            continue
        known.update(id(tensor) for tensor in node.outputs)
        below.append(node)
        if id(operation) in frozen and _weights_of(operation):
            last_weights = len(below)
    return below, last_weights


def _is_fixed(operation: Any) -> bool:
    """Whether an operation computes the same in training, such as pooling: not dropout."""
    if not isinstance(operation, keras.layers.Layer):
        return True
    return not _weights_of(operation) and not takes_training(operation)


def _weights_of(operation: Any) -> list[Any]:
    return list(getattr(operation, "weights", []))


def _cheapest_length(
    flat: keras.Model, order: Sequence[Any], below: Sequence[Any], shortest: int
) -> int:
    """After how many calls, at least `shortest`, the fewest bytes cross; the most of equals."""
    lengths = range(len(below), shortest - 1, -1)
    return min(lengths, key=lambda length: _row_bytes(_crossing(flat, order, below[:length])))


def _as_structure(live: Sequence[Any]) -> Any:
    return tuple(live) if len(live) > 1 else live[0]


def _suffix(
    flat: keras.Model, order: Sequence[Any], below: Sequence[Any], live: Sequence[Any]
) -> keras.Model:
    """The calls that are not below, on inputs of their own.

    `keras.Model(live, outputs)` would drop the second call of a layer whose first call gives a
    feature, such as the embedding of a language model, which is its output layer too.
    """
    inputs = [keras.Input(batch_shape=one.shape, dtype=one.dtype) for one in live]
    known = {id(own): given for own, given in zip(live, inputs, strict=True)}
    done = {id(node) for node in below}
    ends = _replayed(
        flat,
        [node for node in order if id(node) not in done],
        known,
        lambda operation, arguments, options: operation(*arguments, **options),
    )
    return keras.Model(_as_structure(inputs), ends, name="suffix")


def _crossing(flat: keras.Model, order: Sequence[Any], below: Sequence[Any]) -> list[Any]:
    """Tensors from before the cut, inputs included, that are used after it."""
    done = {id(node) for node in below}
    made = {id(tensor): tensor for node in below for tensor in node.outputs}
    made |= {id(tensor): tensor for tensor in flat.inputs}
    used = {id(t) for node in order if id(node) not in done for t in node.input_tensors}
    used |= {id(tensor) for tensor in flat.outputs}
    return [tensor for key, tensor in made.items() if key in used]


def feature_dtype(dtype: str, floats: str) -> np.dtype[Any]:
    """What a feature is stored as: activations as `floats`, masks and token ids as they are."""
    name = keras.backend.standardize_dtype(dtype)
    return np.dtype(floats if "float" in name else name)


def _row_bytes(tensors: Sequence[Any]) -> int:
    return sum(
        math.prod(_UNKNOWN_DIMENSION if size is None else size for size in tensor.shape[1:])
        * feature_dtype(tensor.dtype, "float16").itemsize
        for tensor in tensors
    )
