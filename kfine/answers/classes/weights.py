"""Rare classes count more in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Beyond this ratio of the largest to the smallest class, "auto" balances.
_UNEQUAL = 3


def class_weights(labels: Sequence[str], wanted: str) -> tuple[Callable[[Any], Any] | None, str]:
    """What weighs the examples of a split so that every class counts the same.

    Args:
        labels: Of the training examples.
        wanted: "balanced", "none", or "auto", which balances where the largest class has more
            than three times the examples of the smallest.

    Returns:
        From labels to float32 `(examples,)`, `None` where all count alike; and what was chosen.
    """
    counts = Counter(labels)
    unequal = max(counts.values()) > _UNEQUAL * min(counts.values())
    if wanted == "balanced" or (wanted == "auto" and unequal):
        return balanced_weights, "balanced"
    return None, "none"


def balanced_weights(labels: Sequence[str]) -> np.ndarray:
    """Weights `(examples,)` float32 that make every class count the same: `n / (classes n_c)`."""
    counts = Counter(labels)
    each = [len(labels) / (len(counts) * counts[label]) for label in labels]
    return np.array(each, np.float32)
