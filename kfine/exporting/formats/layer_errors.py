"""How much each layer loses in int8, measured against float."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kfine.exporting.formats.layers import keras_layer
from kfine.inputs import IN_FLOAT

# In quantization steps, and examples that it is measured on. In an EfficientNet-Lite0 the stem and
# the first depthwise convolution reach 2.7: their folded weights are large and cancel each other.
WORST_ERROR = 0.5
# Of a layer that holds more than that share of the weights more is allowed. In YAMNet the last
# convolution has a third of them and loses 0.9; a file of 3.6 MB in place of 6.7 is as good.
LARGE, LARGE_ERROR = 0.25, 1.0
DEBUG_EXAMPLES = 30

# Operations whose second input is a kernel.
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# How the converter calls the outputs of a SavedModel.
OUTPUT = "StatefulPartitionedCall:"
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
    return found + [one for one in names if one.startswith(OUTPUT)] if found else []


def large_layers(model: bytes) -> set[str]:
    """The output tensors of the layers of a file that hold a large share of its weights."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    tensors = {one["index"]: one for one in interpreter.get_tensor_details()}
    sizes = {}
    for one in interpreter._get_ops_details():
        if one["op_name"] in _WEIGHTED:
            name = str(tensors[one["outputs"][0]]["name"])
            sizes[name] = math.prod(int(side) for side in tensors[one["inputs"][1]]["shape"])
    return {name for name, size in sizes.items() if size > LARGE * sum(sizes.values())}


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
