"""The words that an export may be asked for with; imports nothing, so that `--help` is quick."""

from __future__ import annotations

BUNDLE = "bundle"
FORMATS = (BUNDLE, "tflite", "trainable", "saved_model", "onnx", "openvino")
FIXED = "fixed"
INPUTS = (FIXED, "any")
AUTO = "auto"
# What decides among the files that keep the promise.
PREFER = ("size", "latency", "accuracy")
# What one conversion can do, from the largest file to the smallest.
QUANTIZE = ("none", "float16", "int16", "int8", "int8-full", "dynamic", "int4")
CALIBRATED = ("int8", "int8-full", "int16")
# Of training examples. The more photos, the better an EfficientNet-Lite0 agreed with Keras
# (docs/benchmarks.md); beyond these the time grows and nothing else.
# Held-out examples that a bundle holds.
GOLDEN_EXAMPLES = 4
CALIBRATION_EXAMPLES = 400
# What formats other than the plain LiteRT file can store, the default first.
QUANTIZE_OF = {
    "trainable": ("float16", "none"),
    "saved_model": ("none",),
    "onnx": ("none",),
    "openvino": ("float16", "none"),
}
# How the file's name ends; the others are folders.
ENDINGS = {"tflite": ".tflite", "trainable": ".tflite", "onnx": ".onnx"}


def default_quantize(format: str, usual: str) -> str:
    """What an export is stored as where nothing is said; `usual` is that of the input."""
    return QUANTIZE_OF.get(format, (usual,))[0]


def misfit(format: str, quantize: str) -> str:
    """Why a format cannot be stored so, in a sentence; empty if it can."""
    allowed = QUANTIZE_OF.get(format, (*QUANTIZE, AUTO))
    if quantize in allowed:
        return ""
    return (
        f"The format {format} takes quantize {' or '.join(allowed)}: use that, or the format "
        f"tflite. Received: quantize {quantize}"
    )
