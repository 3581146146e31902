"""Whether more examples would help, from what was learned of fewer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kfine.answers import Answer
from kfine.answers.score import Score
from kfine.statistics import mean_interval, paired_comparison, surely_above

_RESAMPLES = 999
# An error that falls by so much of itself when the examples are doubled is worth the work.
_WORTH = 0.1
# In so many of the draws of held-out examples.
_SURE = 0.95


def learning_curve(
    answer: Answer, counts: Sequence[int], scores: Sequence[Score]
) -> dict[str, Any]:
    """What models of more and more training examples score on the same held-out ones.

    Args:
        answer: Of the models.
        counts: Training examples of each, rising.
        scores: Of each, on the same examples.

    Returns:
        `points`, each with `count`, the primary metric and its `interval`; `last_step`, what the
        last of them gained over the one before; `expected`, what twice as many examples as the
        last would bring by a power law of the error, with its `interval`, and in which fraction of
        draws of held-out examples that takes away a tenth of the error, `worth`; `None` where the
        error has no bound; and `words`.

    Reference:
        Hestness et al. 2017, https://arxiv.org/abs/1712.00409: the error falls as a power of the
        number of examples.
    """
    primary = answer.primary
    points = [
        {"count": count, primary: one.metrics[primary], "interval": primary_interval(one, primary)}
        for count, one in zip(counts, scores, strict=True)
    ]
    p_value, low, high = paired_comparison(scores[-1].each, scores[-2].each)
    step = {
        "difference": float(scores[-1].each.mean() - scores[-2].each.mean()),
        "interval": [low, high],
        "p_value": p_value,
    }
    expected = _expected(answer, counts, scores)
    found = {"points": points, "last_step": step, "expected": expected}
    return {**found, "words": _words(answer, found)}


def _metric(score: Score, primary: str) -> Callable[[np.ndarray], float] | None:
    """The primary metric of some examples; `None` where it cannot be had."""
    if score.resample is not None:
        return score.resample
    if math.isclose(float(score.each.mean()), score.metrics[primary]):
        return lambda numbers: float(score.each[numbers].mean())
    return None


def primary_interval(score: Score, primary: str) -> list[float] | None:
    """Of 95 %; `None` where the metric is not the mean and cannot be drawn anew."""
    if _metric(score, primary) is None:
        return None
    return list(mean_interval(score.each, score.resample))


def _expected(
    answer: Answer, counts: Sequence[int], scores: Sequence[Score]
) -> dict[str, Any] | None:
    """The primary metric of twice as many examples, with an interval over held-out examples."""
    metrics = [_metric(one, answer.primary) for one in scores]
    if any(one is None for one in metrics):
        return None
    held = len(scores[0].each)

    def doubled(rows: np.ndarray) -> tuple[float, float]:
        """The error, and how much of the present one that leaves."""
        values = np.array([metric(rows) for metric in metrics if metric is not None])
        errors = 1 - values if answer.direction == "max" else values
        # For the slope alone: one that makes no mistake here may make half a one.
        slope = np.polyfit(np.log(counts), np.log(np.maximum(errors, 0.5 / (held + 1))), 1)[0]
        # More examples are not expected to do harm.
        left = float(2 ** min(0.0, slope))
        return float(errors[-1] * left), left

    def value(error: float) -> float:
        return 1 - error if answer.direction == "max" else error

    generator = np.random.default_rng(0)
    drawn = [doubled(generator.integers(0, held, held)) for _ in range(_RESAMPLES)]
    low, high = sorted(np.quantile([value(error) for error, _ in drawn], [0.025, 0.975]))
    return {
        "count": 2 * counts[-1],
        answer.primary: value(doubled(np.arange(held))[0]),
        "interval": [float(low), float(high)],
        "worth": float(np.mean([left <= 1 - _WORTH for _, left in drawn])),
    }


def _words(answer: Answer, found: dict[str, Any]) -> list[str]:
    primary, named = answer.primary, answer.primary.replace("_", " ")
    before, last = found["points"][-2:]
    step, expected = found["last_step"], found["expected"]
    said = "the difference may be chance"
    if surely_above(step["p_value"], step["interval"]):
        said = "better by more than chance"
    elif step["interval"][1] < 0:
        said = "worse by more than chance"
    words = [
        f"{named} {last[primary]:.3f} with {last['count']} training examples, "
        f"{before[primary]:.3f} with {before['count']}: {said}"
    ]
    if expected is None:
        return words
    low, high = expected["interval"]
    words.append(
        f"a power law through the {len(found['points'])} points expects {named} "
        f"{expected[primary]:.3f} of {expected['count']} ({low:.3f} to {high:.3f})"
    )
    perfect = last[primary] == (1 if answer.direction == "max" else 0)
    if perfect:
        words.append("there is no mistake left that more examples could take away")
    elif expected["worth"] >= _SURE:
        words.append("as far as this tells, more examples of the same kind are worth collecting")
    elif expected["worth"] <= 0.5:
        words.append(
            "as far as this tells, more examples of the same kind change little; other ones, or "
            "better labels (kfine doctor), may"
        )
    else:
        words.append(
            "so few held-out examples cannot tell whether more training examples are worth "
            "collecting"
        )
    return words
