"""What a classifier's probabilities are worth against the true labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kfine.errors import DataError, RunError
from kfine.statistics import wilson_interval

# What a threshold leaves of the share of errors, and of the examples at the least.
_ERRORS_LEFT, _KEPT = 0.5, 0.5
# The loss of one example is cut here, where Keras' own cross-entropy cuts it.
SMALLEST_PROBABILITY = 1e-7


def classification_metrics(
    probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any]:
    """Score class probabilities against the true labels.

    By scikit-learn. Precision, recall and F1 are 0 where they are undefined (a class never
    predicted, or with no examples). Macro F1 is the plain mean over the classes that have
    examples: a set without one of the classes says nothing of it.

    Args:
        probabilities: float `(examples, classes)`, each row summing to 1.
        labels: int `(examples,)`, indices into `class_names`.
        class_names: The classes, in the order of the columns.

    Returns:
        A JSON-able dict: `count`; `accuracy` and `accuracy_interval` (95 % Wilson score interval);
        `macro_f1`; `loss` (mean negative log likelihood, in nats); `per_class`, name ->
        `precision`, `recall`, `f1`, `support`; `confusion_matrix`, one row per true class, one
        column per predicted class; `missing_classes`, the names of those without examples.

    Raises:
        DataError: There are no examples.
        RunError: The probabilities hold NaN or infinity.
        ValueError: The shapes or the labels do not belong together.
    """
    probabilities = np.asarray(probabilities, np.float64)
    labels = np.asarray(labels)
    _check(probabilities, labels, class_names)
    # It takes 1.7 s to import on its own, and 0.05 s after Keras.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predictions, every = probabilities.argmax(axis=1), range(len(class_names))
    matrix = confusion_matrix(labels, predictions, labels=every)
    figures = precision_recall_fscore_support(labels, predictions, labels=every, zero_division=0)
    _, _, f1, support = figures
    correct = int(matrix.trace())
    likelihood = probabilities[np.arange(len(labels)), labels]
    keys = ("precision", "recall", "f1", "support")
    by_class = zip(*(one.tolist() for one in figures), strict=True)
    return {
        "count": len(labels),
        "accuracy": correct / len(labels),
        "accuracy_interval": list(wilson_interval(correct, len(labels))),
        "macro_f1": float(f1[support > 0].mean()),
        "loss": float(-np.log(np.maximum(likelihood, SMALLEST_PROBABILITY)).mean()),
        "per_class": {
            name: dict(zip(keys, one, strict=True))
            for name, one in zip(class_names, by_class, strict=True)
        },
        "confusion_matrix": matrix.tolist(),
        "missing_classes": [
            name for name, count in zip(class_names, support, strict=True) if not count
        ],
    }


def unsure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float] | None:
    """The probability below which an app may better say that it is unsure.

    The lowest one above which at most half the share of errors is left.

    Args:
        probabilities: float `(examples, classes)`.
        labels: int `(examples,)`.

    Returns:
        `threshold`; `kept`, the share of the examples at or above it, and `accuracy`, of those:
        fractions. `None` where no threshold does it for half of the examples or more.
    """
    right = probabilities.argmax(axis=1) == labels
    sure = probabilities.max(axis=1)
    if right.all():
        return None
    order = np.argsort(-sure, kind="stable")
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # A threshold keeps all examples of one probability, or none.
    ends = np.append(sure[order][1:] < sure[order][:-1], True)
    wanted = 1 - _ERRORS_LEFT * (1 - right.mean())
    counts = 1 + np.flatnonzero(ends & (accuracy >= wanted))
    counts = counts[counts >= _KEPT * len(order)]
    if not len(counts):
        return None
    kept = int(counts[-1])
    # Rounded down, so that the least sure one of them is still among them.
    return {
        "threshold": float(np.floor(sure[order][kept - 1] * 1000) / 1000),
        "kept": kept / len(order),
        "accuracy": float(accuracy[kept - 1]),
    }


def _check(probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
    expected = (len(labels), len(class_names))
    if probabilities.shape != expected or labels.ndim != 1:
        raise ValueError(
            f"probabilities must be (examples, classes) = {expected}. "
            f"Received: shape {probabilities.shape} with labels of shape {labels.shape}"
        )
    if len(labels) == 0:
        raise DataError("There are no examples to measure: the split is empty.")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(f"labels must be class indices from 0. Received: {labels[:8]}")
    if labels.max() >= len(class_names):
        raise ValueError(
            f"labels must be under {len(class_names)}, the number of classes. "
            f"Received: {labels.max()}"
        )
    broken = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if broken:
        raise RunError(
            f"The model answers NaN or infinity for {broken} of {len(labels)} examples, so there "
            "is nothing to measure; train again with a lower learning rate."
        )
