"""What one figure hides: small and large examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kfine.answers import Answer

_PARTS = 4
# Beside the primary metric, where an answer has it.
_MORE = "macro_f1"


def by_size(
    answer: Answer,
    predictions: Sequence[Any],
    labels: Sequence[Any],
    unit: str,
    sizes: Sequence[int],
) -> list[dict[str, Any]]:
    """Scores of small to large examples, in up to four parts of about equal count.

    Args:
        answer: What is predicted.
        predictions: One for each example.
        labels: The truth of each.
        unit: Of the sizes, such as `words`.
        sizes: Of each example.

    Returns:
        For each part: the unit (least and most, inclusive), `count`, the primary metric, and
        `macro_f1` where there is one.
    """
    counted = np.asarray(sizes)
    inner = np.quantile(counted, np.arange(1, _PARTS) / _PARTS, method="higher")
    part = np.searchsorted(np.unique(inner), counted, side="left")
    found = []
    for number in np.unique(part):
        members = np.flatnonzero(part == number).tolist()
        metrics = answer.score(
            [predictions[i] for i in members], [labels[i] for i in members]
        ).metrics
        span = [int(counted[members].min()), int(counted[members].max())]
        kept = [name for name in (answer.primary, _MORE) if name in metrics]
        row = {unit: span, "count": len(members)}
        found.append({**row, **{name: metrics[name] for name in kept}})
    return found
