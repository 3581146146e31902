"""Labels that are probably wrong, by confident learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Of fewer numbers nothing is far from the others.
_LEAST = 20
_DOUBTFUL = 0.05
# Between the names of a set.
SEPARATOR = "|"


@dataclass(frozen=True)
class Doubt:
    """A label that is probably wrong.

    Attributes:
        number: Of the example.
        label: What it may rather be, as a table has it.
        probability: Of that, fraction 0 to 1; `None` of what is no choice among names.
        given: Of the label that it has, fraction 0 to 1; `None` with `probability`.
        quality: Of the label, 0 to 1; the smaller, the more doubtful.
    """

    number: int
    label: str
    probability: float | None
    given: float | None
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


def doubtful_sets(held: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> list[Doubt]:
    """Examples one of whose labels is probably wrong or missing, the most doubtful first.

    By cleanlab: Thyagarajan et al., Identifying Incorrect Annotations in Multi-Label Classification
    Data, 2023, https://arxiv.org/abs/2211.13895.

    Args:
        held: bool `(examples, labels)`, which labels examples have.
        probabilities: float `(examples, labels)` by models that did not learn from the example.
        names: Of the labels.
    """
    from cleanlab.multilabel_classification.filter import find_label_issues
    from cleanlab.multilabel_classification.rank import get_label_quality_scores

    # One that all or no examples have tells nothing, and cleanlab wants each to occur.
    telling = np.flatnonzero(held.any(axis=0) & ~held.all(axis=0))
    if not len(telling):
        return []
    sets = [np.flatnonzero(row).tolist() for row in held[:, telling]]
    shares = np.clip(probabilities[:, telling], 1e-6, 1 - 1e-6)
    worst = find_label_issues(sets, shares, return_indices_ranked_by="self_confidence", n_jobs=1)
    quality = get_label_quality_scores(sets, shares)
    found = []
    for number in worst:
        likely = np.where(
            np.isin(np.arange(len(names)), telling), probabilities[number] >= 0.5, held[number]
        )
        changed = likely != held[number]
        if changed.any():
            sure = float(np.abs(probabilities[number][changed] - ~likely[changed]).min())
            words = SEPARATOR.join(sorted(np.array(names, object)[likely]))
            found.append(Doubt(int(number), words, sure, 1 - sure, float(quality[number])))
    return found


def doubtful_numbers(
    values: np.ndarray, predicted: np.ndarray, described: Callable[[int], str]
) -> list[Doubt]:
    """Numbers that are probably wrong, the most doubtful first.

    By cleanlab: Zhou et al., Detecting Errors in a Numerical Response via any Regression Model,
    2023, https://arxiv.org/abs/2305.16583; with the limit of its Datalab, a twentieth of the middle
    score.

    Args:
        values: float `(examples, numbers)`, the labels.
        predicted: The same by models that did not learn from the example.
        described: From the number of an example to what it may rather be.
    """
    from cleanlab.regression.rank import get_label_quality_scores

    if len(values) < _LEAST:
        return []
    scores = []
    for given, found in zip(values.T, predicted.T, strict=True):
        quality = get_label_quality_scores(given, found)
        scores.append(quality / max(float(np.median(quality)), 1e-12))
    worst = np.min(scores, axis=0)
    return [
        Doubt(int(number), described(int(number)), None, None, float(worst[number]))
        for number in np.argsort(worst, kind="stable")
        if worst[number] < _DOUBTFUL
    ]


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
