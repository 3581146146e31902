"""The pictures of a run: confusion matrix, learning curves and the worst mistakes, as PNG files.

Figures are built without pyplot, so they need no display, keep no global state and may be drawn
from any thread. The same input gives the same bytes on the same machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.evaluation._figures import FAINT, INK, RIGHT, SOFT, new_figure, save_png
from kfine.evaluation._labels import printable, printable_names, shorten
from kfine.evaluation._mistakes import mistakes_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["confusion_matrix_png", "learning_curves_png", "mistakes_png"]


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


def learning_curves_png(
    path: Path | str,
    history: Sequence[Mapping[str, Any]],
    stages: Sequence[tuple[int, str]] = (),
) -> None:
    """Draw loss and accuracy against the epoch, and where each stage began.

    Args:
        path: The PNG file, replaced if it exists.
        history: One mapping per epoch: `epoch` (counted from 1) and any of `loss`, `val_loss`,
            `accuracy`, `val_accuracy`. A missing, None or NaN value leaves a gap.
        stages: First epoch (counted from 1) and name of each stage, in order.
    """
    figure = new_figure(10.5, 3.9)
    panels = figure.subplots(1, 2)
    epochs = [int(row["epoch"]) for row in history]
    for axes, metric in zip(panels, ("loss", "accuracy"), strict=True):
        _curve(axes, epochs, history, "val_" + metric, "validation", RIGHT, "-")
        _curve(axes, epochs, history, metric, "train", FAINT, "--")
        _tidy_curves(axes, epochs, metric)
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

    axes.set_title(metric, loc="left", size=12, color=INK, pad=20)
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
