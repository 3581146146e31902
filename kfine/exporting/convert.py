"""The converter's child process: SavedModel folder in, LiteRT (TFLite) file out.

`python -m kfine.exporting.convert SAVED_MODEL OUTPUT QUANTIZE [REPRESENTATIVE_FOLDER]`

A process of its own because converting leaks memory, and because the converter writes pages
to stderr that belong in an error report, not in a terminal.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

FAILED = "conversion failed: "


def representative_dataset(folder: Path) -> Iterator[dict[str, Any]]:
    """One input of the signature for each `.npy` file, in the order of their names."""
    for path in sorted(folder.glob("*.npy")):
        yield {"image": np.load(path)[None]}


def convert(saved_model: Path, quantize: str, representative: Path | None, flex: bool) -> bytes:
    """Convert with LiteRT's builtin operations, or with TensorFlow's too if `flex`.

    Per-channel weights and float32 probabilities in every kind; int8 computes in integers
    from the raw uint8 image to the softmax.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    operations = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.target_spec.supported_ops = operations + [tf.lite.OpsSet.SELECT_TF_OPS] * flex
    converter.allow_custom_ops = flex
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8":
        if representative is None:
            raise ValueError("int8 needs representative images")
        converter.representative_dataset = lambda: representative_dataset(representative)
    return bytes(converter.convert())


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
