"""What the scores of texts hide: length, and the mistakes that a model is sure of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kfine.evaluation.metrics import classification_metrics

_BUCKETS = 4


def by_length(
    probabilities: np.ndarray, labels: np.ndarray, texts: Sequence[Any], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Scores of short to long texts, in up to four parts of about equal count.

    Args:
        probabilities: float `(examples, classes)`.
        labels: int `(examples,)`.
        texts: Each a text, or a tuple of texts that count together.
        class_names: In the order of the columns.

    Returns:
        For each part: `words` (least and most, inclusive), `count`, `accuracy`, `macro_f1`.
    """
    words = np.array([_words(text) for text in texts])
    inner = np.quantile(words, np.arange(1, _BUCKETS) / _BUCKETS, method="higher")
    bucket = np.searchsorted(np.unique(inner), words, side="left")
    found = []
    for number in np.unique(bucket):
        members = bucket == number
        metrics = classification_metrics(probabilities[members], labels[members], class_names)
        part = {"words": [int(words[members].min()), int(words[members].max())]}
        found.append({**part, **{key: metrics[key] for key in ("count", "accuracy", "macro_f1")}})
    return found


def confident_mistakes(
    probabilities: np.ndarray,
    labels: np.ndarray,
    texts: Sequence[Any],
    class_names: Sequence[str],
    most: int | None = None,
) -> list[dict[str, Any]]:
    """Wrong predictions with their texts, the most confident first.

    Args:
        probabilities: float `(examples, classes)`.
        labels: int `(examples,)`.
        texts: The examples.
        class_names: In the order of the columns.
        most: How many; all if `None`.

    Returns:
        For each: `label`, `prediction`, `probability` and `text`.
    """
    predicted, sure = probabilities.argmax(-1), probabilities.max(-1)
    wrong = np.flatnonzero(predicted != np.asarray(labels))
    return [
        {
            "label": class_names[labels[row]],
            "prediction": class_names[predicted[row]],
            "probability": round(float(sure[row]), 6),
            "text": shown(texts[row]),
        }
        for row in wrong[np.argsort(-sure[wrong], kind="stable")][:most]
    ]


def shown(text: Any) -> str:
    """A text, or a tuple of texts, as one string."""
    return " | ".join(text) if isinstance(text, tuple) else str(text)


def _words(text: Any) -> int:
    return len(shown(text).split())
