"""The converter's child process: SavedModel folder in, LiteRT (TFLite) file out.

`python -m kfine.exporting.convert SAVED_MODEL OUTPUT QUANTIZE [REPRESENTATIVE_FOLDER]`

A process of its own because converting leaks memory, and because the converter writes pages
to stderr that belong in an error report, not in a terminal.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

FAILED = "conversion failed: "
# In quantization steps, and images that it is measured on.
WORST_ERROR = 0.5
DEBUG_IMAGES = 30


def representative_dataset(folder: Path) -> Iterator[dict[str, Any]]:
    """One input of the signature for each `.npy` file, in the order of their names."""
    for path in sorted(folder.glob("*.npy")):
        yield {"image": np.load(path)[None]}


def convert(saved_model: Path, quantize: str, representative: Path | None, flex: bool) -> bytes:
    """Convert with LiteRT's builtin operations, or with TensorFlow's too if `flex`.

    Per-channel weights and float32 probabilities in every kind; int8 computes in integers
    from the raw uint8 image to the softmax, but for the layers of `imprecise_layers`.
    """
    if quantize == "int8" and not flex:
        if representative is None:
            raise ValueError("int8 needs representative images")
        return _selective(saved_model, representative)
    return bytes(_converter(saved_model, quantize, representative, flex).convert())


def _converter(saved_model: Path, quantize: str, representative: Path | None, flex: bool) -> Any:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    operations = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.target_spec.supported_ops = operations + [tf.lite.OpsSet.SELECT_TF_OPS] * flex
    converter.allow_custom_ops = flex
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8" and representative is not None:
        converter.representative_dataset = lambda: representative_dataset(representative)
    return converter


def _selective(saved_model: Path, representative: Path) -> bytes:
    """Quantize to int8, see which layers are imprecise, and leave those in float.

    Reference:
        https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_debugger
        ("selective quantization"), which asks for the same by hand.
    """
    import tensorflow as tf

    def debugger(names: list[str]) -> Any:
        return tf.lite.experimental.QuantizationDebugger(
            converter=_converter(saved_model, "int8", representative, flex=False),
            debug_dataset=lambda: (
                list(one.values())
                for one in islice(representative_dataset(representative), DEBUG_IMAGES)
            ),
            debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=names),
        )

    first = debugger([])
    first.run()
    names = imprecise_layers(first)
    # A tensor is named after all operations that were fused into it; one of them is enough.
    print(json.dumps({"float_layers": [name.split(";")[0] for name in names]}))
    return bytes((debugger(names) if names else first).get_nondebug_quantized_model())


def imprecise_layers(debugger: Any) -> list[str]:
    """Tensors whose error against float exceeds half a quantization step.

    Rounding alone makes an error of 0.29 steps. In an EfficientNet-Lite0 the stem and the first
    depthwise convolution reach 2.7: their folded weights are large and cancel each other.
    """
    table = io.StringIO()
    debugger.layer_statistics_dump(table)
    table.seek(0)
    found = []
    for row in csv.DictReader(table):
        step = float(row["scale"])
        if step and float(row["mean_squared_error"]) ** 0.5 / step > WORST_ERROR:
            found.append(row["tensor_name"])
    return found


def main(arguments: list[str]) -> int:
    """Convert once; a model that needs Flex ops is written too, for the gate to refuse."""
    saved_model, output, quantize, *rest = arguments
    representative = Path(rest[0]) if rest else None
    try:
        try:
            content = convert(Path(saved_model), quantize, representative, flex=False)
        except Exception as error:
            if not re.search(
                r"flex op|custom op|needs_flex|needs_custom", str(error), re.IGNORECASE
            ):
                raise
            content = convert(Path(saved_model), quantize, representative, flex=True)
        Path(output).write_bytes(content)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        print(f"{error}\n{FAILED}{lines[0][:300].rstrip('.')}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main(sys.argv[1:]))
