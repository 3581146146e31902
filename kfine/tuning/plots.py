"""The pictures of a search: objective over trials, parallel coordinates, importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kfine.drawing.figures import FAINT, INK, RIGHT, SOFT, WRONG, new_figure, save_png
from kfine.drawing.names import shorten
from kfine.tuning.importance import table
from kfine.tuning.records import TrialRecord

_STATUS = {"completed": RIGHT, "pruned": "#8fb4d4", "cut": FAINT}


def objective_png(
    path: Path, records: Sequence[TrialRecord], objective: str, direction: str
) -> None:
    """Draw the objective of each trial, the best so far, and which trials have none.

    Args:
        path: The PNG file.
        records: All trials, in their order.
        objective: Name of the objective.
        direction: `"min"` or `"max"`.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(8.5, 3.6)
    axes = figure.subplots()
    best, line = None, []
    for record in records:
        if record.scored:
            score = record.scores[objective]
            better = best is None or (score > best if direction == "max" else score < best)
            best = score if better else best
        line.append(np.nan if best is None else best)
    axes.step(range(len(records)), line, where="post", color=SOFT, linewidth=1, label="best so far")
    for status, colour in _STATUS.items():
        found = [(i, r.scores[objective]) for i, r in enumerate(records) if r.status == status]
        if found:
            axes.plot(*zip(*found, strict=True), "o", color=colour, label=status, markersize=5)
    low = axes.get_ylim()[0]
    lost = [i for i, record in enumerate(records) if not record.scored]
    if lost:
        axes.plot(lost, [low] * len(lost), "x", color=WRONG, label="failed or refused")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial", color=INK)
    axes.set_ylabel(objective, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    axes.legend(frameon=False, fontsize=9, ncols=4, loc="lower right", bbox_to_anchor=(1, 1))
    save_png(figure, path)


def parallel_png(
    path: Path, records: Sequence[TrialRecord], objective: str, direction: str
) -> None:
    """Draw each trial as a line through its hyperparameters to its objective; dark is good.

    Args:
        path: The PNG file.
        records: Trials with scores.
        objective: Name of the objective.
        direction: `"min"` or `"max"`.
    """
    names, values = table(records)
    scores = np.array([one.scores[objective] for one in records])
    everything = np.column_stack([values, scores])
    low, high = everything.min(axis=0), everything.max(axis=0)
    scaled = (everything - low) / np.where(high > low, high - low, 1)
    goodness = scaled[:, -1] if direction == "max" else 1 - scaled[:, -1]
    figure = new_figure(max(6.0, 1.7 * everything.shape[1]), 4.2)
    axes = figure.subplots()
    for row in np.argsort(goodness, kind="stable"):
        shade = float(0.12 + 0.88 * goodness[row] ** 2)
        axes.plot(scaled[row], color=RIGHT, alpha=shade, linewidth=0.8 + 1.6 * goodness[row])
    for column, name in enumerate([*names, objective]):
        axes.axvline(column, color=FAINT, linewidth=0.8)
        labels = _labels(records, name, objective)
        for place, text in labels:
            height = (place - low[column]) / ((high - low)[column] or 1)
            axes.text(column + 0.04, height, shorten(text, 16), size=8, color=INK, va="center")
    axes.set_xticks(range(everything.shape[1]), [*names, objective], rotation=20, ha="right")
    axes.set_yticks([])
    axes.set_xlim(-0.2, everything.shape[1] - 0.3)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    save_png(figure, path)


def _labels(records: Sequence[TrialRecord], name: str, objective: str) -> list[tuple[float, str]]:
    """Where on an axis to write which value: all words, the ends of numbers."""
    if name == objective:
        scores = [one.scores[objective] for one in records]
        return [(value, f"{value:.4g}") for value in {min(scores), max(scores)}]
    known, values = table(records)
    column = values[:, known.index(name)]
    texts = {}
    for place, record in zip(column, records, strict=True):
        value = record.values.get(name)
        texts[float(place)] = f"{value:.3g}" if isinstance(value, float) else str(value)
    words = any(isinstance(one.values.get(name), (str, bool)) for one in records)
    places = sorted(texts) if words or len(texts) <= 4 else [min(texts), max(texts)]
    return [(place, "–" if texts[place] == "None" else texts[place]) for place in places]


def importance_png(path: Path, shares: Mapping[str, float]) -> None:
    """Draw how much each hyperparameter mattered.

    Args:
        path: The PNG file.
        shares: From `importance`, not empty.
    """
    figure = new_figure(6.5, 0.6 + 0.36 * len(shares))
    axes = figure.subplots()
    names = list(shares)[::-1]
    axes.barh(names, [shares[name] for name in names], color=RIGHT, height=0.62)
    for row, name in enumerate(names):
        axes.text(shares[name] + 0.01, row, f"{shares[name]:.0%}", va="center", size=9, color=INK)
    axes.set_xlim(0, max(shares.values()) * 1.12)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=10, labelcolor=INK)
    save_png(figure, path)
