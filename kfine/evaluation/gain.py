"""Whether a tuned model beats a baseline on the same examples, and how sure that is."""

from __future__ import annotations

from typing import Any

from kfine.answers.score import Score
from kfine.statistics import paired_comparison


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
    p_value, low, high = paired_comparison(score.each, baseline.each)
    return {
        "over": over,
        "difference": float(score.each.mean() - baseline.each.mean()),
        "interval": [low, high],
        "p_value": p_value,
    }
