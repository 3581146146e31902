"""Whether groups of people are given the same, and are found out as often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kfine.answers import Answer
from kfine.statistics import holm

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
        `most`, of which four fifths are demanded, and the `p_value` that groups which are alike
        lie as far apart (permutation test of the ratio, corrected for the number of names by
        Holm); `recalls` and `false_positives`, group -> share that is given it where it is so, and
        where it is not; `odds`, the larger difference between groups of these two. `None` for
        fewer than two groups, or answers that do not choose among names.

    References:
        Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D (four fifths).
        Hardt, Price and Srebro 2016, https://arxiv.org/abs/1610.02413 (equalised odds).
    """
    if len(groups) < 2 or not hasattr(answer, "held"):
        return None
    given = answer.held([answer.settle(one) for one in predictions])
    true = answer.held(labels)
    generator = np.random.default_rng(0)
    found: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(answer.names):
        chosen, so = given[:, place], true[:, place]
        rates = {group: float(chosen[rows].mean()) for group, rows in groups.items()}
        least, most = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
        recalls = _shares(chosen, so, groups)
        false_positives = _shares(chosen, ~so, groups)
        ratio = rates[least] / rates[most] if rates[most] > 0 else None
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
            "p_value": _as_far_apart(chosen, groups, ratio, generator),
            "recalls": recalls,
            "false_positives": false_positives,
            "odds": max(gaps) if gaps else None,
        }
    corrected = holm([one["p_value"] for one in found.values()])
    for one, p_value in zip(found.values(), corrected, strict=True):
        one["p_value"] = p_value
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


def _as_far_apart(
    chosen: np.ndarray,
    groups: Mapping[str, np.ndarray],
    ratio: float | None,
    generator: np.random.Generator,
) -> float:
    """How often groups drawn at random have as small a ratio of the least to the largest share."""
    if ratio is None:
        return 1.0
    sizes = np.array([len(rows) for rows in groups.values()])
    given = int(sum(chosen[rows].sum() for rows in groups.values()))
    shares = generator.multivariate_hypergeometric(sizes, given, size=_RESAMPLES) / sizes
    ratios = shares.min(axis=1) / shares.max(axis=1)
    return float((np.sum(ratios <= ratio + 1e-12) + 1) / (_RESAMPLES + 1))
