"""The picture of what was said of small to large numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kfine.drawing.figures import FAINT, INK, RIGHT, new_figure, save_png
from kfine.drawing.names import printable

# Inches of a square, and what lies between two.
_SQUARE, _GAP = 2.6, 0.9


def numbers_png(
    path: Path | str, titles: Sequence[str], parts: Sequence[Sequence[Mapping[str, Any]]]
) -> None:
    """Draw the mean prediction over the mean truth, a square for each number.

    Args:
        path: The PNG file, replaced if it exists.
        titles: Of the squares.
        parts: For each square what `by_truth` gave.
    """
    width = len(titles) * (_SQUARE + _GAP) - _GAP
    figure = new_figure(width, _SQUARE)
    for index, (title, rows) in enumerate(zip(titles, parts, strict=True)):
        left = index * (_SQUARE + _GAP) / width
        axes = figure.add_axes((left, 0, _SQUARE / width, 1))
        truth = [one["truth"] for one in rows]
        said = [one["prediction"] for one in rows]
        spread = [one["deviation"] for one in rows]
        low = min(*truth, *(a - b for a, b in zip(said, spread, strict=True)), truth[0])
        high = max(*truth, *(a + b for a, b in zip(said, spread, strict=True)), truth[0])
        axes.plot([low, high], [low, high], color=FAINT, linewidth=1, linestyle="--")
        axes.errorbar(truth, said, yerr=spread, color=RIGHT, marker="o", capsize=3, linewidth=1.5)
        axes.set_xlabel("truth", color=INK)
        axes.set_ylabel("prediction" if index == 0 else "", color=INK)
        axes.set_title(printable(title), loc="left", color=INK, size=12)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelcolor=INK)
    save_png(figure, path)
