"""The picture of a learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfine.drawing.figures import FAINT, INK, RIGHT, SOFT, new_figure, save_png


def learning_curve_png(path: Path, found: Mapping[str, Any]) -> None:
    """Draw the primary metric over the number of training examples, and what is expected.

    Args:
        path: The PNG file, replaced if it exists.
        found: As `learning_curve` gives it, with `primary`.
    """
    primary, points, expected = found["primary"], found["points"], found["expected"]
    figure = new_figure(5.5, 3.5)
    axes = figure.add_axes((0, 0, 1, 1))
    counts = [one["count"] for one in points]
    values = [one[primary] for one in points]
    axes.plot(counts, values, color=RIGHT, marker="o")
    for one in points:
        if one["interval"]:
            axes.plot([one["count"]] * 2, one["interval"], color=FAINT, linewidth=1)
    if expected:
        ends = [counts[-1], expected["count"]]
        axes.plot(ends, [values[-1], expected[primary]], color=SOFT, linestyle="--", marker="o")
        axes.plot([expected["count"]] * 2, expected["interval"], color=FAINT, linewidth=1)
        counts = [*counts, expected["count"]]
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(one) for one in counts])
    axes.minorticks_off()
    axes.set_xlabel("training examples", color=INK)
    axes.set_ylabel(primary.replace("_", " "), color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    save_png(figure, path)
