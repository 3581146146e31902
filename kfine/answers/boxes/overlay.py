"""Boxes as pictures: each class in a colour of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kfine.drawing.colours import colour_of


def over_image(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    classes: Sequence[int],
    words: Sequence[str],
) -> NDArray[np.uint8]:
    """An image with boxes in it.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        boxes: `(objects, 4)`, as fractions of width and height.
        classes: The number of the class of each.
        words: What is written on each.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width = image.shape[:2]
    picture = Image.fromarray(np.ascontiguousarray(image))
    canvas = ImageDraw.Draw(picture)
    line = max(1, round(max(height, width) / 250))
    font = ImageFont.load_default(size=max(9, round(max(height, width) / 45)))
    # The surest is drawn last, so that it is seen whole.
    for place in reversed(range(len(boxes))):
        left, top, right, bottom = boxes[place] * [width, height, width, height]
        colour = colour_of(classes[place])
        right, bottom = max(left, right), max(top, bottom)
        canvas.rectangle((left, top, right, bottom), outline=colour, width=line)
        if words[place]:
            at = (left + line, max(0.0, top))
            canvas.rectangle(canvas.textbbox(at, words[place], font=font), fill=colour)
            dark = sum(colour) < 330
            canvas.text(at, words[place], fill=(255,) * 3 if dark else (0,) * 3, font=font)
    return np.asarray(picture)
