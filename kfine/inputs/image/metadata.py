"""How the metadata of a `.tflite` describes an image."""

from __future__ import annotations

from typing import Any

from kfine.inputs.metadata import IMAGE, floats, table, tensor

_NORMALIZATION = 1
_RGB = 1


def image_tensor(b: Any, image_size: tuple[int, int]) -> int:
    """Describe an input of uint8 RGB.

    Mean 0 and standard deviation 1 are stated although readers ignore them for uint8: the
    normalisation is in the graph, and MediaPipe's runtime refuses one value per channel.

    Args:
        b: The builder.
        image_size: Height and width in pixels; the default where the input's size is free.
    """
    height, width = image_size
    size = table(b, 2, {0: ("Uint32", width), 1: ("Uint32", height)})
    image = table(b, 2, {0: ("Int8", _RGB), 1: size})
    options = table(b, 2, {0: floats(b, [0.0]), 1: floats(b, [1.0])})
    unit = table(b, 2, {0: ("Uint8", _NORMALIZATION), 1: options})
    return tensor(
        b,
        "image",
        f"RGB image, {width} x {height} pixels, values from 0 to 255. "
        "The normalisation is part of the model.",
        content=(IMAGE, image),
        process_units=[unit],
        value_range=(0.0, 255.0),
    )
