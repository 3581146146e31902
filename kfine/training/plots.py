"""The picture of a run: its learning curves, as a PNG file.

Figures are built without pyplot, so they need no display, keep no global state and may be drawn
from any thread. The same input gives the same bytes on the same machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.drawing.figures import FAINT, INK, RIGHT, SOFT, new_figure, save_png
from kfine.drawing.names import printable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["learning_curves_png"]


def learning_curves_png(
    path: Path | str,
    history: Sequence[Mapping[str, Any]],
    stages: Sequence[tuple[int, str]] = (),
    metric: str = "accuracy",
) -> None:
    """Draw the loss and a metric against the epoch, and where each stage began.

    Args:
        path: The PNG file, replaced if it exists.
        history: One mapping per epoch: `epoch` (counted from 1) and any of `loss`, `val_loss`,
            the metric, alone and behind `val_`. A missing, None or NaN value leaves a gap.
        stages: First epoch (counted from 1) and name of each stage, in order.
        metric: What the answer is watched by.
    """
    figure = new_figure(10.5, 3.9)
    panels = figure.subplots(1, 2)
    epochs = [int(row["epoch"]) for row in history]
    for axes, name in zip(panels, ("loss", metric), strict=True):
        _curve(axes, epochs, history, "val_" + name, "validation", RIGHT, "-")
        _curve(axes, epochs, history, name, "train", FAINT, "--")
        _tidy_curves(axes, epochs, name)
        _mark_stages(axes, [first for first, _ in stages])
    figure.tight_layout(w_pad=3)
    captions = [
        f"stage {i}, from epoch {first}: {name}" for i, (first, name) in enumerate(stages, 1)
    ]
    names = [shorten(printable(caption), 150) for caption in captions]
    if names:
        figure.text(
            0.045, -0.02, "\n".join(names), va="top", size=9, color="#555555", parse_math=False
        )
    save_png(figure, path)


def _curve(
    axes: Axes,
    epochs: Sequence[int],
    history: Sequence[Mapping[str, Any]],
    key: str,
    name: str,
    colour: str,
    style: str,
) -> None:
    values = [math.nan if row.get(key) is None else float(row[key]) for row in history]
    if not np.isfinite(values).any():
        return
    marker = "o" if len(epochs) <= 30 else None
    axes.plot(epochs, values, style, color=colour, label=name, marker=marker, markersize=4)


def _tidy_curves(axes: Axes, epochs: Sequence[int], metric: str) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axes.set_title(metric.replace("_", " "), loc="left", size=12, color=INK, pad=20)
    axes.set_xlabel("epoch", size=10, color=INK)
    if epochs:
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
    if metric == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axes.set_ylim(top=1.005)
    else:
        axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, labelcolor=INK, color=FAINT)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1, 1.05))
    else:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=FAINT)


def _mark_stages(axes: Axes, first_epochs: Sequence[int]) -> None:
    low, high = axes.get_xlim()
    above: dict[str, Any] = {"size": 8, "color": SOFT, "va": "bottom"}
    above["transform"] = axes.get_xaxis_transform()
    written = -math.inf
    for number, first in enumerate(first_epochs, 1):
        at = first - 0.5
        if not low <= at < high:
            continue
        if number == 1:
            axes.text(at, 1.01, "stage ", ha="right", **above)
        else:
            axes.axvline(at, color=FAINT, linewidth=0.8, linestyle=":")
        # Numbers closer than this would be printed over each other.
        if at - written > 0.012 * (high - low):
            axes.text(at, 1.01, f"{number}", ha="left" if number == 1 else "center", **above)
            written = at
