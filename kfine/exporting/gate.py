"""The gate: is the exported file as good as the model it came from?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kfine.errors import ExportError
from kfine.statistics import paired_binomial, paired_difference_interval

Metric = Callable[[np.ndarray, np.ndarray], float]
CHANCE = 0.10
AGREEMENT = 0.90


@dataclass(frozen=True)
class Verdict:
    """What the gate measured and decided; shares are fractions from 0 to 1.

    Attributes:
        passed: Whether the file may be used.
        reasons: Why not, one sentence each.
        count: Held-out examples.
        metric: Name of the primary metric.
        reference: The Keras model's metric.
        exported: The exported file's metric.
        drop: `reference - exported`; negative is a gain.
        drop_interval: 95 % interval of the drop in the share of right examples, paired.
        agreement: Share of examples with the same top class; inside texts see
            `outputs.Inside.agreement`.
        p_value: One-sided exact paired test that the losses of right examples are chance.
        resolvable: Whether the set is large enough to tell on which side of the limit it is.
        note: A sentence when it is not, else empty.
    """

    passed: bool
    reasons: tuple[str, ...]
    count: int
    metric: str
    reference: float | None
    exported: float | None
    drop: float | None
    drop_interval: tuple[float, float] | None
    agreement: float | None
    p_value: float | None
    resolvable: bool
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return asdict(self)


@dataclass(frozen=True)
class Compared:
    """A file's predictions beside the Keras model's, on the same examples.

    Attributes:
        right_before: bool `(examples,)`, which the Keras model has right.
        right_after: The same of the file.
        reference: The Keras model's primary metric, more is better.
        exported: The file's.
        agreement: How much of what they say is the same, fraction 0 to 1.
    """

    right_before: np.ndarray
    right_after: np.ndarray
    reference: float
    exported: float
    agreement: float


def refusal(reason: str, count: int = 0, metric: str = "accuracy") -> Verdict:
    """A verdict on a file that could not be measured."""
    return Verdict(False, (reason,), count, metric, *(None,) * 6, False)


def not_finite(who: str, broken: int, count: int, metric: str) -> Verdict:
    """The verdict on a model that gives NaN or infinity for some examples."""
    reason = f"{who} gives NaN or infinity for {broken} of {count} held-out examples"
    return refusal(reason, count, metric)


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose most probable class is the label."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def judge(
    reference_probabilities: np.ndarray,
    exported_probabilities: np.ndarray,
    labels: np.ndarray,
    *,
    metric: Metric = accuracy,
    metric_name: str = "accuracy",
    max_drop: float = 0.01,
) -> Verdict:
    """Compare an exported file with its model on the same held-out examples.

    Refused are: values that are not finite; a metric that fell by more than `max_drop` when
    an exact paired test on the examples that changed sides gives at most 10 % to chance;
    agreement under 0.90.

    Args:
        reference_probabilities: The Keras model's, `(examples, classes)`.
        exported_probabilities: The file's, on the same examples in the same order.
        labels: True classes, integers `(examples,)`.
        metric: The primary metric `(probabilities, labels) -> float`, more is better. The
            test and the interval count right and wrong answers whatever the metric.
        metric_name: Its name in the sentences.
        max_drop: Largest fall of the metric that is allowed, a fraction (0.01 is one point).

    Returns:
        The verdict, with a note when the set is too small to resolve `max_drop`.

    Raises:
        ExportError: If there are no examples or the shapes differ.
    """
    reference = np.asarray(reference_probabilities)
    exported = np.asarray(exported_probabilities)
    labels = np.asarray(labels)
    _check(reference, exported, labels)
    for name, values in (("the file", exported), ("the Keras model itself", reference)):
        broken = int((~np.isfinite(values)).any(axis=1).sum())
        if broken:
            return not_finite(name, broken, len(labels), metric_name)
    compared = Compared(
        right_before=reference.argmax(axis=1) == labels,
        right_after=exported.argmax(axis=1) == labels,
        reference=float(metric(reference, labels)),
        exported=float(metric(exported, labels)),
        agreement=float(np.mean(reference.argmax(axis=1) == exported.argmax(axis=1))),
    )
    return weigh(compared, metric_name=metric_name, max_drop=max_drop)


def weigh(
    compared: Compared, *, metric_name: str, max_drop: float, share: str = "accuracy"
) -> Verdict:
    """Decide by the rules of `judge`, whatever the predictions are.

    Args:
        compared: File and Keras model on the same examples, one or more.
        metric_name: Of the primary metric, in the sentences.
        max_drop: Largest fall of the metric that is allowed, a fraction.
        share: What the share of right examples is called.
    """
    right_before, right_after = compared.right_before, compared.right_after
    worse = int((right_before & ~right_after).sum())
    better = int((right_after & ~right_before).sum())
    before, after, agreement = compared.reference, compared.exported, compared.agreement
    drop = before - after
    p_value = paired_binomial(worse, better)
    low, high = paired_difference_interval(right_before, right_after)
    resolvable = not low <= max_drop <= high
    reasons = []
    # A drop of exactly the limit is allowed, also when it comes out as 0.010000000000000009.
    if drop > max_drop + 1e-9 and p_value <= CHANCE:
        reasons.append(
            f"{metric_name} falls by {_points(drop)} from {before:.3f} to {after:.3f}, more than "
            f"the {_points(max_drop)} allowed, and not by chance "
            f"({worse} got worse, {better} better, p = {p_value:.3f})"
        )
    if agreement < AGREEMENT:
        reasons.append(f"it agrees with the Keras model on {agreement:.3f}, under {AGREEMENT:.2f}")
    note = "" if resolvable else _too_small(len(right_before), share, max_drop, low, high)
    return Verdict(
        passed=not reasons,
        reasons=tuple(reasons),
        count=len(right_before),
        metric=metric_name,
        reference=before,
        exported=after,
        drop=drop,
        drop_interval=(low, high),
        agreement=agreement,
        p_value=p_value,
        resolvable=resolvable,
        note=note,
    )


def _check(reference: np.ndarray, exported: np.ndarray, labels: np.ndarray) -> None:
    if not len(labels):
        raise ExportError("An export is measured on held-out examples: received none.")
    if reference.shape != exported.shape or reference.shape[:1] != labels.shape:
        raise ExportError(
            "The gate compares the same examples and classes; received probabilities "
            f"{reference.shape} and {exported.shape} with labels {labels.shape}."
        )


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _too_small(count: int, share: str, max_drop: float, low: float, high: float) -> str:
    return (
        f"{count} held-out examples are too few to tell whether {share} falls by more than "
        f"{_points(max_drop)}: the 95 % interval of the fall is {100 * low:.1f} to {_points(high)}"
    )
