"""What probabilities of labels are worth against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kfine.errors import RunError

# Keras' own cross-entropy cuts a loss here.
_SMALLEST = 1e-7


def macro_f1(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean F1 of the labels that have examples.

    Where none has, it is 1 if none is found either, else 0.

    Args:
        found: bool `(examples, labels)`.
        truth: bool `(examples, labels)`.
    """
    hits = (found & truth).sum(axis=0)
    support = truth.sum(axis=0)
    if not support.any():
        return float(not found.any())
    f1 = 2 * hits / np.maximum(found.sum(axis=0) + support, 1)
    return float(f1[support > 0].mean())


def jaccard(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """float64 `(examples,)`: labels in common of those in either; 1 where there are none."""
    either = (found | truth).sum(axis=1)
    return np.where(either > 0, (found & truth).sum(axis=1) / np.maximum(either, 1), 1.0)


def label_metrics(
    probabilities: np.ndarray, truth: np.ndarray, names: Sequence[str], thresholds: np.ndarray
) -> dict[str, Any]:
    """Score probabilities of labels against the truth.

    Args:
        probabilities: float `(examples, labels)`, each from 0 to 1 on its own.
        truth: bool `(examples, labels)`.
        names: The labels, in the order of the columns.
        thresholds: float `(labels,)`, from which probability on a label is given.

    Returns:
        A JSON-able dict: `macro_f1` over the labels that have examples; `micro_f1`; `exact`, the
        share of examples with all labels right and none beside; `jaccard`; `mean_average_precision`
        (0 where no label has an example); `loss`, the mean binary cross-entropy in nats;
        `per_class`, name -> `precision`, `recall`, `f1`, `support`, `average_precision`; and
        `missing_labels`, the names of those without examples.

    Raises:
        RunError: The probabilities hold NaN or infinity.
    """
    if not np.isfinite(probabilities).all():
        raise RunError("the model gives NaN or infinity")
    found = probabilities >= thresholds
    hits = (found & truth).sum(axis=0)
    predicted, support = found.sum(axis=0), truth.sum(axis=0)
    per_class, precisions = {}, []
    for index, name in enumerate(names):
        average = average_precision(probabilities[:, index], truth[:, index])
        if average is not None:
            precisions.append(average)
        per_class[name] = {
            "precision": float(hits[index] / max(predicted[index], 1)),
            "recall": float(hits[index] / max(support[index], 1)),
            "f1": float(2 * hits[index] / max(predicted[index] + support[index], 1)),
            "support": int(support[index]),
            "average_precision": average,
        }
    right = np.where(truth, probabilities, 1 - probabilities)
    return {
        "macro_f1": macro_f1(found, truth),
        "micro_f1": float(2 * hits.sum() / max(predicted.sum() + support.sum(), 1)),
        "exact": float((found == truth).all(axis=1).mean()),
        "jaccard": float(jaccard(found, truth).mean()),
        "mean_average_precision": float(np.mean(precisions)) if precisions else 0.0,
        "loss": float(-np.log(np.maximum(right, _SMALLEST)).mean()),
        "per_class": per_class,
        "missing_labels": [name for name, count in zip(names, support, strict=True) if not count],
    }


def average_precision(probabilities: np.ndarray, truth: np.ndarray) -> float | None:
    """Area under the curve of precision over recall, `None` without an example of the label."""
    if not truth.any():
        return None
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, probabilities))
