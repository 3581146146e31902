"""How much each layer loses in int8, measured against float."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kfine.exporting.formats.layers import keras_layer
from kfine.inputs import IN_FLOAT

# In quantization steps, and examples that it is measured on. In an EfficientNet-Lite0 the stem and
# the first depthwise convolution reach 2.7: their folded weights are large and cancel each other.
WORST_ERROR = 0.5
DEBUG_EXAMPLES = 30

# How the converter calls the outputs of a SavedModel.
_OUTPUT = "StatefulPartitionedCall:"
Dataset = Callable[[int], Iterator[list[Any]]]


@dataclass(frozen=True)
class LayerError:
    """What int8 costs at one tensor.

    Attributes:
        tensor: Its name in the file.
        layer: The Keras layer that it comes from.
        steps: Root mean square error against float in quantization steps; rounding alone
            makes 0.29.
    """

    tensor: str
    layer: str
    steps: float


def quantization_debugger(converter: Any, dataset: Dataset, float_tensors: list[str]) -> Any:
    """TensorFlow's quantization debugger over an int8 converter.

    Args:
        converter: A `TFLiteConverter` that is calibrated and quantizes to int8.
        dataset: Given a count, yields the inputs of so many examples.
        float_tensors: Names of tensors whose operation stays in float.
    """
    import tensorflow as tf

    return tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=lambda: dataset(DEBUG_EXAMPLES),
        debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=float_tensors),
    )


def in_float(model: bytes) -> list[str]:
    """The tensors of a file that are of layers whose names say that they stay in float.

    Where there are such layers, what they lead to, the outputs, is among them.
    """
    from ai_edge_litert.interpreter import Interpreter

    names = [str(one["name"]) for one in Interpreter(model_content=model).get_tensor_details()]
    found = [one for one in names if f"/{IN_FLOAT}" in one]
    return found + [one for one in names if one.startswith(_OUTPUT)] if found else []


def layer_errors(debugger: Any) -> list[LayerError]:
    """The error of each quantized tensor of a debugger that has run, the worst first."""
    table = io.StringIO()
    debugger.layer_statistics_dump(table)
    table.seek(0)
    found = []
    for row in csv.DictReader(table):
        step = float(row["scale"])
        if step:
            name = row["tensor_name"]
            error = float(row["mean_squared_error"]) ** 0.5 / step
            found.append(LayerError(name, keras_layer(name), error))
    return sorted(found, key=lambda one: -one.steps)
