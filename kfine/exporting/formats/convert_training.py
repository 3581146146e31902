"""The child process that converts a file that trains: SavedModel folder in, `.tflite` out.

`python -m kfine.exporting.formats.convert_training SAVED_MODEL OUTPUT QUANTIZE`
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kfine.exporting.formats.converting import write_or_explain


def convert(saved_model: Path, quantize: str) -> bytes:
    """Convert all signatures, with variables, to LiteRT's builtin operations."""
    import tensorflow as tf

    from kfine.exporting.formats.on_device_training import SIGNATURES

    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=list(SIGNATURES)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.experimental_enable_resource_variables = True
    if quantize == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def main(arguments: list[str]) -> int:
    """Convert once; the last line of standard error says what went wrong."""
    saved_model, output, quantize = arguments
    return write_or_explain(output, lambda: convert(Path(saved_model), quantize))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main(sys.argv[1:]))
