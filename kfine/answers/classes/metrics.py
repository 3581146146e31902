"""What a classifier's probabilities are worth against the true labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kfine.errors import DataError, RunError
from kfine.statistics import wilson_interval

# The loss of one example is cut here, where Keras' own cross-entropy cuts it.
SMALLEST_PROBABILITY = 1e-7


def classification_metrics(
    probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> dict[str, Any]:
    """Score class probabilities against the true labels.

    Precision, recall and F1 are 0 where they are undefined (a class never predicted, or with no
    examples). Macro F1 is the plain mean over the classes that have examples: a set without one of
    the classes says nothing of it, as scikit-learn's `f1_score(average="macro", labels=...)` of
    the classes that are there.

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

    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), len(class_names))
    correct = int(matrix.trace())
    per_class, macro_f1 = _per_class(matrix, class_names)
    likelihood = probabilities[np.arange(len(labels)), labels]
    return {
        "count": len(labels),
        "accuracy": correct / len(labels),
        "accuracy_interval": list(wilson_interval(correct, len(labels))),
        "macro_f1": macro_f1,
        "loss": float(-np.log(np.maximum(likelihood, SMALLEST_PROBABILITY)).mean()),
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
        "missing_classes": [name for name, one in per_class.items() if not one["support"]],
    }


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count the predictions of each class: int64 `(classes, classes)`, rows are true classes.

    Args:
        labels: int `(examples,)` in `0..classes-1`.
        predictions: int `(examples,)` in `0..classes-1`.
        classes: Number of classes.
    """
    cells = labels.astype(np.int64) * classes + predictions
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def _per_class(
    matrix: np.ndarray, class_names: Sequence[str]
) -> tuple[dict[str, dict[str, float]], float]:
    """Precision, recall, F1 and support by name, and the macro F1."""
    hits, support, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + predicted, 1)
    per_class = {
        name: {
            "precision": float(precision[index]),
            "recall": float(recall[index]),
            "f1": float(f1[index]),
            "support": int(support[index]),
        }
        for index, name in enumerate(class_names)
    }
    return per_class, float(f1[support > 0].mean())


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
