"""Rows of pictures beside each other, such as an image, its truth and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfine.drawing.figures import INK, SOFT, new_figure, save_png
from kfine.drawing.names import printable, shorten

# Inches: the width of a picture, what lies between two, and a line of text.
_WIDE, _GAP, _LINE = 2.4, 0.12, 0.24
_SIDE = 480


def pictures_png(
    path: Path | str,
    rows: Sequence[Sequence[np.ndarray]],
    headings: Sequence[str],
    captions: Sequence[str],
    legend: Sequence[tuple[str, tuple[int, int, int]]] = (),
) -> None:
    """Draw rows of pictures.

    Args:
        path: The PNG file, replaced if it exists.
        rows: uint8 RGB `(height, width, 3)` each, as many in each row as there are headings.
        headings: Above the first row.
        captions: Below each row.
        legend: Names and red, green and blue, 0 to 255.
    """
    heights = [_WIDE * one[0].shape[0] / one[0].shape[1] for one in rows]
    named = -(-len(legend) // len(headings)) * _LINE
    total = sum(heights) + len(rows) * (_LINE + 2 * _GAP) + _LINE + named
    width = len(headings) * (_WIDE + _GAP) - _GAP
    figure = new_figure(width, total)

    def text(x: float, y: float, words: str, size: float, colour: Any = INK) -> None:
        figure.text(x / width, 1 - y / total, words, va="top", size=size, color=colour)

    for place, heading in enumerate(headings):
        text(place * (_WIDE + _GAP), 0, heading, 11)
    top = _LINE
    for pictures, height, caption in zip(rows, heights, captions, strict=True):
        for place, picture in enumerate(pictures):
            left = place * (_WIDE + _GAP)
            box = (left / width, 1 - (top + height) / total, _WIDE / width, height / total)
            axes = figure.add_axes(box)
            axes.imshow(_smaller(picture), aspect="auto")
            axes.set_axis_off()
        text(0, top + height + 0.04, shorten(printable(caption), 90), 8.5)
        top += height + _LINE + 2 * _GAP
    for place, (name, colour) in enumerate(legend):
        row, column = divmod(place, len(headings))
        left, down = column * (_WIDE + _GAP), top + row * _LINE
        text(left, down, "■", 11, tuple(part / 255 for part in colour))
        text(left + 0.18, down + 0.02, shorten(printable(name), 26), 9, SOFT)
    save_png(figure, path)


def _smaller(picture: np.ndarray) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((_SIDE, _SIDE))
    return np.asarray(image)
