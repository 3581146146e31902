"""The words that an export may be asked for with; imports nothing, so that `--help` is quick."""

from __future__ import annotations

BUNDLE = "bundle"
FORMATS = (BUNDLE, "tflite", "saved_model")
INPUTS = ("any", "fixed")
AUTO = "auto"
# What one conversion can do, from the largest file to the smallest.
QUANTIZE = ("none", "float16", "int16", "int8", "int8-full", "dynamic", "int4")
CALIBRATED = ("int8", "int8-full", "int16")
