"""What predictions are worth: figures, and how right each example is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from kfine.answers import Answer


@dataclass(frozen=True)
class Score:
    """Predictions against the truth.

    Attributes:
        metrics: Figures by name, the primary one among them.
        each: float64 `(examples,)`, how right each example is, 0 to 1.
        tables: What figures hide: a confusion matrix, figures by class; JSON-able.
        resample: The primary metric of some examples, given their numbers, where it is no mean of
            `each`; `None` where it is.
        scale: What counts as one whole unit of the primary metric where that has a unit of its
            own, such as the error of the trivial answer: falls are fractions of it.
    """

    metrics: dict[str, float]
    each: np.ndarray
    tables: dict[str, Any] = field(default_factory=dict)
    resample: Callable[[np.ndarray], float] | None = None
    scale: float = 1.0

    @property
    def right(self) -> np.ndarray:
        """bool `(examples,)`: which are right altogether."""
        found: np.ndarray = self.each >= 1
        return found

    def to_dict(self, answer: Answer) -> dict[str, Any]:
        """A JSON-able dict that names the primary metric and its direction."""
        return {
            "primary": answer.primary,
            "direction": answer.direction,
            "count": len(self.each),
            **self.metrics,
            **self.tables,
        }


def agreement_of(answer: Answer, before: Sequence[Any], after: Sequence[Any]) -> float:
    """How much of what two models say is the same, fraction 0 to 1.

    The primary metric of one model's predictions with the other's in the place of the truth; for
    metrics with a unit of their own, the mean of how right each example is then.

    Args:
        answer: What both answer.
        before: Predictions of the one.
        after: Predictions of the other for the same examples.
    """
    settled = [answer.settle(one) for one in before]
    score = answer.score(after, settled)
    if (score.each >= 1).all():
        return 1.0
    if answer.direction == "min":
        # A label may be coarser than a prediction, such as a grade than a height.
        apart = np.abs(answer.score(before, settled).each - score.each)
        return float(1 - apart.mean())
    return float(score.metrics[answer.primary])
