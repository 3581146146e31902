"""The grid of the worst mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kfine.drawing.figures import INK, WRONG, new_figure, save_png
from kfine.drawing.names import printable, printable_names, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_MISTAKES = 24
# Inches: one mistake with its captions (width, height), and the square that holds the image.
_TILE, _SQUARE = (1.95, 2.35), 1.8


def mistakes_png(
    path: Path | str,
    images: Sequence[np.ndarray] | np.ndarray,
    true_names: Sequence[str],
    predicted_names: Sequence[str],
    probabilities: Sequence[float] | np.ndarray,
    class_names: Sequence[str] = (),
) -> None:
    """Draw misjudged images in a grid, the first at the top left.

    Args:
        path: The PNG file, replaced if it exists.
        images: uint8 `(height, width, 3)` RGB each, of any sizes; the first `MOST_MISTAKES` are
            drawn, none gives a picture that says so.
        true_names: The class that each image is of.
        predicted_names: The class that it was taken for.
        probabilities: The probability that the model gave to the predicted class, 0 to 1.
        class_names: All classes in order, so that one that no installed font can draw is shown by
            the same number as in the confusion matrix.
    """
    total = len(images)
    shown = min(total, MOST_MISTAKES)
    if shown == 0:
        figure = new_figure(5, 1.2)
        figure.text(0.5, 0.5, "No mistakes to show.", ha="center", va="center", size=13, color=INK)
        save_png(figure, path)
        return
    columns = 6 if shown > 16 else math.ceil(math.sqrt(shown))
    rows = math.ceil(shown / columns)
    figure = new_figure(columns * _TILE[0], rows * _TILE[1])
    printed = dict(zip(class_names, printable_names(class_names), strict=True))
    for index in range(shown):
        truth, answer = (
            printed.get(name) or printable(name)
            for name in (true_names[index], predicted_names[index])
        )
        axes = figure.add_axes(_tile(index, rows, columns))
        _draw_mistake(axes, images[index], truth, answer, float(probabilities[index]))
    heading = "The worst mistake" if total == 1 else f"The {shown} worst mistakes"
    heading += f", of {total}" if total > shown else ""
    figure.text(0, 1 + 0.1 / (rows * _TILE[1]), heading, size=13, color=INK, va="bottom")
    save_png(figure, path)


def _tile(index: int, rows: int, columns: int) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of an image's square, as fractions of the figure."""
    row, column = divmod(index, columns)
    width, height = columns * _TILE[0], rows * _TILE[1]
    top = height - row * _TILE[1]
    return column * _TILE[0] / width, (top - _SQUARE) / height, _SQUARE / width, _SQUARE / height


def _draw_mistake(axes: Axes, image: np.ndarray, truth: str, answer: str, share: float) -> None:
    from PIL import Image

    thumbnail = Image.fromarray(np.ascontiguousarray(image))
    # Twelve-megapixel photos would cost seconds and gigabytes each at full size.
    thumbnail.thumbnail((360, 360))
    width, height = thumbnail.size
    tiny = max(width, height) < 100
    axes.imshow(np.asarray(thumbnail), interpolation="nearest" if tiny else "antialiased")
    # The image lies in the middle of a square, so that captions line up whatever its shape.
    half = max(width, height) / 2
    axes.set_xlim(width / 2 - 0.5 - half, width / 2 - 0.5 + half)
    axes.set_ylim(height / 2 - 0.5 + half, height / 2 - 0.5 - half)
    axes.set_facecolor("#f1f1f1")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    # The share comes first: after a name that ends in digits it would read as part of it.
    captions = (
        (f"is {shorten(truth, 22)}", INK),
        (f"{share:.0%} sure: {shorten(answer, 15)}", WRONG),
    )
    for line, (caption, colour) in enumerate(captions):
        axes.annotate(
            caption,
            (0, 0),
            xytext=(0, -5 - 12 * line),
            xycoords="axes fraction",
            textcoords="offset points",
            va="top",
            size=8.5,
            color=colour,
        )
