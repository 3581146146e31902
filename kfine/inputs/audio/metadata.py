"""How the metadata of a `.tflite` describes a recording."""

from __future__ import annotations

from typing import Any

from kfine.inputs.metadata import AUDIO, table, tensor


def audio_tensor(b: Any, rate: int, samples: int) -> int:
    """Describe an input of samples of one channel; MediaPipe's AudioClassifier reads it.

    Args:
        b: The builder.
        rate: Samples per second.
        samples: How many a model takes.
    """
    properties = table(b, 2, {0: ("Uint32", rate), 1: ("Uint32", 1)})
    return tensor(
        b,
        "audio",
        f"{samples} samples at {rate} Hz, one channel, values from -1 to 1. The spectrogram is "
        "part of the model.",
        content=(AUDIO, properties),
        value_range=(-1.0, 1.0),
    )
