"""The picture of which class was taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.drawing.figures import INK, RIGHT, new_figure, save_png
from kfine.drawing.names import printable_names, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def confusion_matrix_png(
    path: Path | str, matrix: Sequence[Sequence[int]] | np.ndarray, class_names: Sequence[str]
) -> None:
    """Draw which class was taken for which, one row per true class.

    Colour is the share of the row: blue on the diagonal, orange beside it (on a square-root scale,
    so that a rare mistake is seen). Numbers are counts.

    Args:
        path: The PNG file, replaced if it exists.
        matrix: int counts `(classes, classes)`, rows true, columns predicted.
        class_names: The classes, in the order of the rows. Long ones are shortened in the middle;
            one that no installed font can draw is shown by its number, counted from 1.
    """
    counts = np.asarray(matrix)
    classes = len(class_names)
    cell = float(np.interp(classes, [2, 12, 40, 100], [0.9, 0.55, 0.30, 0.20]))
    font = float(np.interp(classes, [2, 12, 40, 100], [11, 10, 8, 7]))
    names = [shorten(name, 28) for name in printable_names(class_names)]
    support = counts.sum(axis=1)

    figure = new_figure(classes * cell, classes * cell)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(_confusion_colours(counts), interpolation="nearest", aspect="auto")
    _write_counts(axes, counts, cell, zeros=classes <= 12)
    slanted = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(classes), names, **(slanted if classes <= 12 else {"rotation": 90}))
    axes.set_yticks(
        range(classes), [f"{name}  ({n})" for name, n in zip(names, support, strict=True)]
    )
    axes.tick_params(length=0, pad=4, labelsize=font, labelcolor=INK)
    axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e6e6e6", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class", color=INK, labelpad=8, size=font + 1)
    axes.set_ylabel("true class (examples)", color=INK, labelpad=8, size=font + 1)
    total, right = int(counts.sum()), int(counts.trace())
    share = f": {right / total:.1%}" if total else ""
    axes.set_title(
        f"{right} of {total} right{share}", loc="left", color=INK, pad=10, size=max(12, font + 3)
    )
    save_png(figure, path)


def _confusion_colours(counts: np.ndarray) -> np.ndarray:
    """float RGB `(classes, classes, 3)` in 0..1, white for nothing."""
    from matplotlib.colors import to_rgb

    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    diagonal = np.eye(len(counts), dtype=bool)
    strength = np.where(diagonal, share, np.sqrt(share))[..., None]
    full = np.where(diagonal[..., None], to_rgb(RIGHT), to_rgb("#f08a3c"))
    return 1 - strength * (1 - full)


def _write_counts(axes: Axes, counts: np.ndarray, cell: float, *, zeros: bool) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # A digit is 0.64 of the font size wide, and there are 72 points to the inch.
    size = min(12.0, cell * 34, 72 * cell * 0.85 / (0.64 * len(str(counts.max(initial=0)))))
    for row, column in np.argwhere((counts > 0) | zeros):
        dark = row == column and share[row, column] > 0.55
        colour = "white" if dark else INK if counts[row, column] else "#c8c8c8"
        where: dict[str, Any] = {"ha": "center", "va": "center_baseline"}
        axes.text(column, row, str(counts[row, column]), color=colour, size=size, **where)
