"""Rare classes count as much as others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

# Beyond this ratio of the largest to the smallest class, "auto" balances.
_UNEQUAL = 3


class Balance(NamedTuple):
    """What lets every class count the same.

    Attributes:
        weights: From labels to float32 `(examples,)`; `None` where all examples count alike.
        shares: How often each class occurs in training, for `Classes`; empty where that is left
            as it is.
        chosen: "none", "balanced" or "adjusted".
    """

    weights: Callable[[Any], Any] | None = None
    shares: tuple[float, ...] = ()
    chosen: str = "none"


def class_balance(labels: Sequence[str], names: Sequence[str], wanted: str) -> Balance:
    """How the rare classes of a training split are made to count.

    Args:
        labels: Of the training examples.
        names: All classes.
        wanted: "none"; "balanced", which weighs the examples; "adjusted", which takes the shares
            of the classes out of the logits; or "auto", which adjusts where the largest class has
            more than three times the examples of the smallest.
    """
    counts = Counter(labels)
    unequal = max(counts.values()) > _UNEQUAL * min(counts.values())
    if wanted == "balanced":
        return Balance(weights=balanced_weights, chosen=wanted)
    if wanted == "adjusted" or (wanted == "auto" and unequal):
        # One more of each (Laplace's rule): only other splits may have a class.
        total = len(labels) + len(names)
        return Balance(
            shares=tuple((counts[name] + 1) / total for name in names), chosen="adjusted"
        )
    return Balance()


def balanced_weights(labels: Sequence[str]) -> np.ndarray:
    """Weights `(examples,)` float32 that make every class count the same: `n / (classes n_c)`."""
    counts = Counter(labels)
    each = [len(labels) / (len(counts) * counts[label]) for label in labels]
    return np.array(each, np.float32)
