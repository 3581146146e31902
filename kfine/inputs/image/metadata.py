"""How the metadata of a `.tflite` describes an image."""

from __future__ import annotations

from typing import Any

from kfine.inputs.metadata import IMAGE, floats, table, tensor

_NORMALIZATION = 1
_RGB = 1


def image_tensor(b: Any, image_size: tuple[int, int] | None) -> int:
    """Describe an input of uint8 RGB.

    Mean 0 and standard deviation 1 are stated although readers ignore them for uint8: the
    normalisation is in the graph, and MediaPipe's runtime refuses one value per channel.

    Args:
        b: The builder.
        image_size: Height and width in pixels; `None` where the input's size is free.
    """
    fields: dict[int, Any] = {0: ("Int8", _RGB)}
    words = "any size"
    if image_size is not None:
        height, width = image_size
        words = f"{width} x {height} pixels"
        fields[1] = table(b, 2, {0: ("Uint32", width), 1: ("Uint32", height)})
    image = table(b, 2, fields)
    options = table(b, 2, {0: floats(b, [0.0]), 1: floats(b, [1.0])})
    unit = table(b, 2, {0: ("Uint8", _NORMALIZATION), 1: options})
    return tensor(
        b,
        "image",
        f"RGB image, {words}, values from 0 to 255. The normalisation is part of the model.",
        content=(IMAGE, image),
        process_units=[unit],
        value_range=(0.0, 255.0),
    )
