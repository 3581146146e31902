"""The converter's child process: SavedModel folder in, LiteRT (TFLite) file out.

`python -m kfine.exporting.formats.convert SAVED_MODEL OUTPUT QUANTIZE [REPRESENTATIVE_FOLDER]`

A process of its own because converting leaks memory, and because the converter writes pages
to stderr that belong in an error report, not in a terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kfine.exporting.choices import CALIBRATED
from kfine.exporting.formats.converting import write_or_explain
from kfine.exporting.formats.layer_errors import (
    LARGE_ERROR,
    WORST_ERROR,
    in_float,
    large_layers,
    layer_errors,
    quantization_debugger,
)
from kfine.exporting.formats.names import shorten_names

REPORTED = 8


def representative_dataset(
    folder: Path, dtype: Any = None, count: int | None = None
) -> Iterator[Any]:
    """The inputs by name of each `.npz` file, in the order of their names; as stored if no dtype.

    A list of the one input where there is one, whose name then need not be the file's.
    """
    for path in islice(sorted(folder.glob("*.npz")), count):
        with np.load(path) as stored:
            tensors = {
                name: stored[name] if dtype is None else stored[name].astype(dtype)
                for name in stored.files
            }
        yield tensors if len(tensors) > 1 else list(tensors.values())


def convert(saved_model: Path, quantize: str, representative: Path | None, flex: bool) -> bytes:
    """Convert with LiteRT's builtin operations, or with TensorFlow's too if `flex`.

    Per-channel weights in every kind, and float32 probabilities in all but int8-full, which
    has no float from the uint8 image to the uint8 probabilities. int8 computes in integers but
    for imprecise layers.
    """
    if quantize in CALIBRATED and representative is None:
        raise ValueError(f"{quantize} needs a representative dataset")
    if quantize == "int4":
        from kfine.exporting.formats.four_bit import four_bit_weights

        return four_bit_weights(bytes(_converter(saved_model, "none", None, flex).convert()))
    if quantize == "int8" and not flex and representative is not None:
        return _selective(saved_model, representative)
    return bytes(_converter(saved_model, quantize, representative, flex).convert())


def _converter(saved_model: Path, quantize: str, representative: Path | None, flex: bool) -> Any:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    sets = tf.lite.OpsSet
    operations = [sets.TFLITE_BUILTINS]
    if quantize == "int8-full":
        operations = [sets.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    if quantize == "int16":
        operations.insert(0, sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8)
    converter.target_spec.supported_ops = operations + [sets.SELECT_TF_OPS] * flex
    converter.allow_custom_ops = flex
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize in CALIBRATED and representative is not None:
        dtype = np.float32 if quantize == "int8-full" else None
        converter.representative_dataset = lambda: representative_dataset(representative, dtype)
    return converter


def _selective(saved_model: Path, representative: Path) -> bytes:
    """Quantize to int8, see which layers are imprecise, and leave those in float.

    Reference:
        https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_debugger
        ("selective quantization"), which asks for the same by hand.
    """

    def debugger(names: list[str]) -> Any:
        return quantization_debugger(
            _converter(saved_model, "int8", representative, flex=False),
            lambda count: representative_dataset(representative, count=count),
            names,
        )

    first = debugger([])
    always = in_float(first.calibrated_model)
    if always:
        first = debugger(always)
    first.run()
    errors = layer_errors(first)
    large = large_layers(first.calibrated_model)
    imprecise = [
        one for one in errors if one.steps > (LARGE_ERROR if one.tensor in large else WORST_ERROR)
    ]
    names = [one.tensor for one in imprecise]
    found = {
        "float_layers": [one.layer for one in imprecise],
        "layer_errors": [[one.layer, round(one.steps, 2)] for one in errors[:REPORTED]],
    }
    print(json.dumps(found))
    last = debugger([*always, *names]) if names else first
    return bytes(last.get_nondebug_quantized_model())


def main(arguments: list[str]) -> int:
    """Convert once; a model that needs Flex ops is written too, for the gate to refuse."""
    saved_model, output, quantize, *rest = arguments
    representative = Path(rest[0]) if rest else None

    def make() -> bytes:
        try:
            content = convert(Path(saved_model), quantize, representative, flex=False)
        except Exception as error:
            if not re.search(
                r"flex op|custom op|needs_flex|needs_custom", str(error), re.IGNORECASE
            ):
                raise
            content = convert(Path(saved_model), quantize, representative, flex=True)
        return shorten_names(content)

    return write_or_explain(output, make)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main(sys.argv[1:]))
