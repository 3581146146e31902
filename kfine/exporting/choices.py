"""The words that an export may be asked for with; imports nothing, so that `--help` is quick."""

from __future__ import annotations

from typing import Any

BUNDLE = "bundle"
LITERTLM = "litertlm"
FORMATS = (BUNDLE, "tflite", "trainable", LITERTLM, "saved_model", "onnx", "openvino")
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
    LITERTLM: ("dynamic", "none", "int4"),
    "saved_model": ("none",),
    "onnx": ("none",),
    "openvino": ("float16", "none"),
}
# What folders of exports under way are called.
UNFINISHED = ".export-"
# How the file's name ends; the others are folders.
ENDINGS = {"tflite": ".tflite", "trainable": ".tflite", LITERTLM: ".litertlm", "onnx": ".onnx"}


def default_quantize(format: str, usual: str) -> str:
    """What an export is stored as where nothing is said; `usual` is that of the input."""
    return QUANTIZE_OF.get(format, (usual,))[0]


def phone_format(answer: Any) -> str:
    """What phones run of an answer, given as it is on a device: "tflite" or "litertlm"."""
    return str(getattr(answer, "phone_format", "tflite"))


def misfit(format: str, quantize: str) -> str:
    """Why a format cannot be stored so, in a sentence; empty if it can."""
    allowed = QUANTIZE_OF.get(format, (*QUANTIZE, AUTO))
    if quantize in allowed:
        return ""
    other = "" if format == LITERTLM else ", or the format tflite"
    return (
        f"The format {format} takes quantize {' or '.join(allowed)}: use that{other}. Received: "
        f"quantize {quantize}"
    )


def misfits(input: Any, answer: Any, format: str, quantize: str, form: str) -> str:
    """Why there can be no such file of an input and an answer, in a sentence; empty if there can.

    Args:
        input: As it is on a device.
        answer: As it is on a device.
        format: Not "bundle", but what it holds.
        quantize: How it is stored.
        form: How it takes examples.
    """
    if format == LITERTLM and phone_format(answer) != LITERTLM:
        return (
            "The format litertlm is for models that write text: use the format tflite. Received: "
            "litertlm"
        )
    return (
        misfit(format, quantize)
        or str(input.misfit(format, quantize, form))
        or str(answer.misfit(format, quantize))
    )
