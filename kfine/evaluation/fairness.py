"""Whether groups of people are given the same, and are found out as often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kfine.answers import Answer

FOUR_FIFTHS = 0.8
# Fewer examples than this say nothing of a slice, of those in it that have a name, or that lack it.
LEAST = 10
_RESAMPLES = 999


def fairness(
    answer: Answer,
    predictions: Sequence[Any],
    labels: Sequence[Any],
    groups: Mapping[str, np.ndarray],
) -> dict[str, Any] | None:
    """How often each group is given each name, and how often rightly.

    Args:
        answer: With `held`, see `Answer`.
        predictions: One for each example.
        labels: The truth of each.
        groups: Name of a group -> numbers of its examples.

    Returns:
        Name -> `rates`, group -> share that is given the name; `ratio` of the `least` to the
        `most`, with its 95 % `interval` (bootstrap), of which four fifths are demanded; `recalls`
        and `false_positives`, group -> share that is given it where it is so, and where it is not;
        `odds`, the larger difference between groups of these two. `None` for fewer than two
        groups, or answers that do not choose among names.

    References:
        Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D (four fifths).
        Hardt, Price and Srebro 2016, https://arxiv.org/abs/1610.02413 (equalised odds).
    """
    if len(groups) < 2 or not hasattr(answer, "held"):
        return None
    given = answer.held([answer.settle(one) for one in predictions])
    true = answer.held(labels)
    generator = np.random.default_rng(0)
    found = {}
    for place, name in enumerate(answer.names):
        chosen, so = given[:, place], true[:, place]
        rates = {group: float(chosen[rows].mean()) for group, rows in groups.items()}
        least, most = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
        recalls = _shares(chosen, so, groups)
        false_positives = _shares(chosen, ~so, groups)
        ratio, interval = None, None
        if rates[most] > 0:
            ratio = rates[least] / rates[most]
            interval = _ratio_interval(chosen[groups[least]], chosen[groups[most]], generator)
        gaps = [
            max(one.values()) - min(one.values())
            for one in (recalls, false_positives)
            if len(one) > 1
        ]
        found[name] = {
            "rates": rates,
            "least": least,
            "most": most,
            "ratio": ratio,
            "interval": interval,
            "recalls": recalls,
            "false_positives": false_positives,
            "odds": max(gaps) if gaps else None,
        }
    return found


def _shares(
    chosen: np.ndarray, among: np.ndarray, groups: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Group -> share of the examples among some that are chosen, where there are enough."""
    found = {}
    for group, rows in groups.items():
        counted = chosen[rows][among[rows]]
        if len(counted) >= LEAST:
            found[group] = float(counted.mean())
    return found


def _ratio_interval(
    low: np.ndarray, high: np.ndarray, generator: np.random.Generator
) -> list[float]:
    """Percentile bootstrap of the ratio of two shares, one draw half an example richer."""
    counts = [
        (generator.binomial(len(one), one.mean(), _RESAMPLES) + 0.5) / (len(one) + 1)
        for one in (low, high)
    ]
    ends = np.quantile(counts[0] / counts[1], [0.025, 0.975])
    return [float(ends[0]), float(ends[1])]
