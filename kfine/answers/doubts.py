"""Labels that are probably wrong, by confident learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Doubt:
    """A label that is probably wrong.

    Attributes:
        number: Of the example.
        label: What it may rather be, as a table has it.
        probability: Of that, fraction 0 to 1.
        given: Of the label that it has, fraction 0 to 1.
        quality: Of the label, 0 to 1; the smaller, the more doubtful.
    """

    number: int
    label: str
    probability: float
    given: float
    quality: float


def doubtful_classes(
    numbers: np.ndarray, probabilities: np.ndarray, names: Sequence[str]
) -> list[Doubt]:
    """Classes that are probably wrong, the most doubtful first.

    By cleanlab: Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset
    Labels, 2021, https://arxiv.org/abs/1911.00068.

    Args:
        numbers: int `(examples,)`, the labels.
        probabilities: float `(examples, classes)` by models that did not learn from the example.
        names: Of the classes.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    known = np.unique(numbers)
    # cleanlab wants every class to occur.
    labels = np.searchsorted(known, numbers)
    shares = probabilities[:, known]
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    if len(known) < 2:
        return []
    worst = find_label_issues(labels, shares, return_indices_ranked_by="self_confidence", n_jobs=1)
    quality = get_label_quality_scores(labels, shares)
    found = []
    for number in worst:
        likely = int(known[shares[number].argmax()])
        if likely != numbers[number]:
            found.append(
                Doubt(
                    int(number),
                    names[likely],
                    float(probabilities[number, likely]),
                    float(probabilities[number, numbers[number]]),
                    float(quality[number]),
                )
            )
    return found


def confused_pairs(
    numbers: np.ndarray, probabilities: np.ndarray, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Pairs of classes that are taken for each other, the worst first.

    Returns:
        `names`, the two; `count`, examples of either that are taken for the other; `of`, how many
        examples both have.
    """
    size = len(names)
    wrong = np.zeros((size, size), int)
    np.add.at(wrong, (numbers, probabilities.argmax(axis=1)), 1)
    both = wrong + wrong.T
    counts = np.bincount(numbers, minlength=size)
    found = [
        {
            "names": [names[one], names[two]],
            "count": int(both[one, two]),
            "of": int(counts[one] + counts[two]),
        }
        for one in range(size)
        for two in range(one + 1, size)
        if both[one, two]
    ]
    return sorted(found, key=lambda one: (-one["count"] / one["of"], one["names"]))
