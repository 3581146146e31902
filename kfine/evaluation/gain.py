"""Whether a tuned model beats a baseline on the same examples, and how sure that is."""

from __future__ import annotations

from typing import Any

import numpy as np

from kfine.answers.score import Score
from kfine.statistics import paired_binomial, paired_difference_interval, paired_mean_comparison


def gain_over(over: str, score: Score, baseline: Score) -> dict[str, Any]:
    """Compare how right each example is.

    Args:
        over: Name of the baseline.
        score: The model's.
        baseline: The baseline's, on the same examples.

    Returns:
        `over`, `difference` (of the mean of `Score.each`), its 95 % `interval`, and `p_value`,
        one-sided, that the gain is chance.
    """
    p_value, low, high = compare(score.each, baseline.each)
    return {
        "over": over,
        "difference": float(score.each.mean() - baseline.each.mean()),
        "interval": [low, high],
        "p_value": p_value,
    }


def compare(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Whether the mean of one is above that of the other, for the same examples.

    Args:
        one: float `(examples,)`, how right each example is, 0 to 1.
        other: The same of another model.

    Returns:
        The one-sided p value of the exact test where both are 0 or 1, of the sign-flip
        permutation test else, and the ends of the 95 % interval of the difference.
    """
    if not set(np.unique([one, other])) <= {0.0, 1.0}:
        return paired_mean_comparison(one, other)
    better, worse = int((one > other).sum()), int((one < other).sum())
    low, high = paired_difference_interval(one == 1, other == 1)
    return float(paired_binomial(better, worse)), float(low), float(high)
