"""The gate: is the exported file as good as the model it came from?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from kfine.answers.score import Score
from kfine.errors import ExportError
from kfine.statistics import bootstrap_fall, paired_comparison

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
        drop: How much worse the file is: `reference - exported`, or the reverse where less is
            better, in the score's scale; negative is a gain.
        drop_interval: 95 % interval of the drop, paired.
        agreement: How much of what both say is the same; see `agreement_of`.
        p_value: One-sided paired test that the fall is chance.
        resolvable: Whether the set is large enough to tell on which side of the limit it is.
        note: A sentence when it is not, else empty.
        direction: "max" or "min" of the metric.
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
    direction: str = "max"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return asdict(self)


def with_reasons(verdict: Verdict, reasons: Sequence[str]) -> Verdict:
    """The same, refused for further reasons if there are any."""
    if not reasons:
        return verdict
    return replace(verdict, passed=False, reasons=(*verdict.reasons, *reasons))


def refusal(reason: str, count: int = 0, metric: str = "accuracy") -> Verdict:
    """A verdict on a file that could not be measured."""
    return Verdict(False, (reason,), count, metric, *(None,) * 6, False)


def not_finite(who: str, broken: int, count: int, metric: str) -> Verdict:
    """The verdict on a model that gives NaN or infinity for some examples."""
    reason = f"{who} gives NaN or infinity for {broken} of {count} held-out examples"
    return refusal(reason, count, metric)


def weigh(
    before: Score,
    after: Score,
    *,
    primary: str,
    direction: str,
    agreement: float,
    max_drop: float = 0.01,
    least: float = AGREEMENT,
) -> Verdict:
    """Compare an exported file with its model on the same held-out examples.

    Refused are: a primary metric that got worse by more than `max_drop` when a test on the same
    examples gives at most 10 % to chance; agreement under `least`. The test is exact where each
    example is right or wrong, a sign-flip permutation test where it is right in part, and a
    bootstrap over examples where the metric is no mean over them.

    Args:
        before: The Keras model's score.
        after: The file's, on the same examples in the same order.
        primary: The metric that decides.
        direction: "max" or "min".
        agreement: How much of what both say is the same, fraction 0 to 1.
        max_drop: Largest fall that is allowed, a fraction (0.01 is one point); of a metric with a
            unit of its own a fraction of the score's `scale`.
        least: Smallest agreement that is allowed.

    Returns:
        The verdict, with a note when the set is too small to resolve `max_drop`.

    Raises:
        ExportError: There are no examples, or not the same number of each.
    """
    if not len(before.each) or len(before.each) != len(after.each):
        raise ExportError(
            "An export is measured on the same held-out examples as its model. Received: "
            f"{len(before.each)} and {len(after.each)}"
        )
    reference, exported = before.metrics[primary], after.metrics[primary]
    sign = 1.0 if direction == "max" else -1.0
    drop = sign * (reference - exported) / before.scale
    worse = int((after.each < before.each).sum())
    better = int((after.each > before.each).sum())
    p_value, low, high = _test(before, after, sign)
    reasons = []
    # A drop of exactly the limit is allowed, also when it comes out as 0.010000000000000009.
    if drop > max_drop + 1e-9 and p_value <= CHANCE:
        verb = "falls" if direction == "max" else "rises"
        unit = "" if before.scale == 1 else f" of {before.scale:.3g}"
        reasons.append(
            f"{primary} {verb} by {_points(drop)}{unit} from {reference:.3f} to {exported:.3f}, "
            f"more than the {_points(max_drop)} allowed, and not by chance "
            f"({worse} got worse, {better} better, p = {p_value:.3f})"
        )
    if agreement < least:
        reasons.append(f"it agrees with the Keras model on {agreement:.3f}, under {least:.2f}")
    resolvable = not low <= max_drop <= high
    note = "" if resolvable else _too_small(len(before.each), primary, max_drop, low, high)
    return Verdict(
        passed=not reasons,
        reasons=tuple(reasons),
        count=len(before.each),
        metric=primary,
        reference=reference,
        exported=exported,
        drop=drop,
        drop_interval=(low, high),
        agreement=agreement,
        p_value=p_value,
        resolvable=resolvable,
        note=note,
        direction=direction,
    )


def _test(before: Score, after: Score, sign: float) -> tuple[float, float, float]:
    """One-sided p value that the fall is chance, and the 95 % interval of the fall."""
    if before.resample is not None and after.resample is not None:
        one, other = before.resample, after.resample

        def fall(rows: np.ndarray) -> float:
            return sign * (one(rows) - other(rows)) / before.scale

        return bootstrap_fall(fall, len(before.each), before.each - after.each)
    return paired_comparison(before.each, after.each)


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _too_small(count: int, metric: str, max_drop: float, low: float, high: float) -> str:
    return (
        f"{count} held-out examples are too few to tell whether {metric} falls by more than "
        f"{_points(max_drop)}: the 95 % interval of the fall is {100 * low:.1f} to {_points(high)}"
    )
