"""Logits to probabilities, and one prediction in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def ranked_classes(
    probabilities: np.ndarray, class_names: Sequence[str]
) -> list[tuple[str, float]]:
    """Classes with their probabilities, the most probable first.

    Args:
        probabilities: float `(classes,)`.
        class_names: In the same order.
    """
    order = np.argsort(-probabilities, kind="stable")
    return [(class_names[index], float(probabilities[index])) for index in order]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits `(..., classes)`, float32."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities: np.ndarray = shifted / shifted.sum(-1, keepdims=True)
    return probabilities.astype(np.float32)
