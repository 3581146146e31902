"""The head of a model, where it is one linear layer, and what lies below it."""

from __future__ import annotations

from typing import Any

import keras

from kfine.keras_private import calls_of, graph_of, inputs_of, is_graph


def linear_head(model: keras.Model) -> keras.layers.Dense | None:
    """The layer that gives a model's one output, `(batch, outputs)`, if it is linear."""
    graph = graph_of(model)
    if not is_graph(graph) or len(graph.outputs) != 1 or not calls_of(graph):
        return None
    last = calls_of(graph)[-1]
    layer = last.operation
    if not isinstance(layer, keras.layers.Dense) or last.outputs[0] is not graph.outputs[0]:
        return None
    straight = layer.activation is keras.activations.linear and layer.use_bias
    return layer if straight and len(last.input_tensors[0].shape) == 2 else None


def below_head(model: keras.Model) -> keras.Model:
    """From a model's inputs to what its last layer is given."""
    graph: Any = graph_of(model)
    return keras.Model(inputs_of(graph), calls_of(graph)[-1].input_tensors[0], name="below_head")
