"""Ending a trial early: behind the median, at its budget of epochs, or when the time is up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kfine.training.divergence import diverged

FEWEST_OTHERS = 3


def best_so_far(curve: Sequence[float], epochs: int, direction: str) -> float:
    """The best value of the first `epochs` epochs."""
    return (max if direction == "max" else min)(curve[:epochs])


def behind_median(
    curve: Sequence[float], others: Sequence[Sequence[float]], direction: str
) -> str | None:
    """Whether a trial's best value is worse than the median of the others' at the same epoch.

    Args:
        curve: The objective after each epoch so far.
        others: The same of trials that ended; one that ended earlier counts with its best.
        direction: `"min"` or `"max"`.

    Returns:
        The reason in words, or `None`: not behind, or fewer than `FEWEST_OTHERS` to compare with.

    Reference:
        The median stopping rule of Golovin et al. 2017, "Google Vizier", section 3.2.2, with the
        others' best values in place of their running averages, as in Optuna's MedianPruner.
    """
    epochs = len(curve)
    if not epochs:
        return None
    # Without those that were pruned before, half of the survivors would be behind their median.
    known = [best_so_far(one, epochs, direction) for one in others if one]
    if len(known) < FEWEST_OTHERS:
        return None
    own, median = best_so_far(curve, epochs, direction), statistics.median(known)
    behind = own < median if direction == "max" else own > median
    if not behind:
        return None
    return f"{own:.4g} after epoch {epochs}, the median of {len(known)} trials is {median:.4g}"


class Ending:
    """Says after each epoch whether a trial may end there, and remembers why.

    Args:
        objective: Name of the objective in the history.
        direction: `"min"` or `"max"`.
        others: Curves of the trials to compare with; `None` compares with none.
        budget: Epochs that this trial gets, all of its config's or fewer.
        deadline: Seconds since 1970 when the time is up, or `None`.
    """

    def __init__(
        self,
        objective: str,
        direction: str,
        *,
        others: Sequence[Sequence[float]] | None,
        budget: int,
        deadline: float | None,
    ) -> None:
        self.objective = objective
        self.direction = direction
        self.others = others
        self.budget = budget
        self.deadline = deadline
        self.last_stage = 0
        self.status = "completed"
        self.reason = ""

    def __call__(self, history: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a trial with this history may end."""
        if self.status != "completed":
            return True
        if what := diverged(history):
            self.status, self.reason = "failed", f"{what}; a lower learning rate may help"
            return True
        if len(history) >= self.budget:
            return True
        # As with early stopping, a trial is not judged before its last stage has begun: what it
        # unfreezes there may be what makes it good. Nor in its first quarter, where the warm-up
        # and the chance of the start decide.
        late = history[-1]["stage"] > self.last_stage and 4 * len(history) >= self.budget
        if self.others is not None and late:
            reason = behind_median(self.curve(history), self.others, self.direction)
            if reason:
                self.status, self.reason = "pruned", reason
        if self.deadline is not None and time.time() > self.deadline:
            self.status, self.reason = "cut", f"the time was up after epoch {len(history)}"
        return self.status != "completed"

    def curve(self, history: Sequence[Mapping[str, Any]]) -> list[float]:
        """The objective after each epoch."""
        # Size and latency stay what they are from the first epoch on: there is no curve.
        return [float(entry[self.objective]) for entry in history if self.objective in entry]
