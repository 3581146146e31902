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
        last would bring by a power law of the error, `None` where the error has no bound; and
        `words`.

    Reference:
        Hestness et al. 2017, https://arxiv.org/abs/1712.00409: the error falls as a power of the
        number of examples.
    """
    primary = answer.primary
    points = [
        {"count": count, primary: one.metrics[primary], "interval": _interval(one, primary)}
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


def _interval(score: Score, primary: str) -> list[float] | None:
    if _metric(score, primary) is None:
        return None
    return list(mean_interval(score.each, score.resample))


def _expected(
    answer: Answer, counts: Sequence[int], scores: Sequence[Score]
) -> dict[str, Any] | None:
    """The primary metric of twice as many examples, with an interval over held-out examples."""
    metrics = [_metric(one, answer.primary) for one in scores]
    held = len(scores[0].each)
    least, end = 0.5 / (held + 1), math.log(counts[-1])

    def doubled(rows: np.ndarray) -> float:
        values = np.array([metric(rows) for metric in metrics if metric is not None])
        errors = 1 - values if answer.direction == "max" else values
        # One that makes no mistake here may make half a one.
        logs = np.log(np.maximum(errors, least))
        slope, offset = np.polyfit(np.log(counts), logs, 1)
        # More examples are not expected to do harm.
        error = math.exp(min(0.0, slope) * math.log(2) + min(logs[-1], offset + slope * end))
        return 1 - error if answer.direction == "max" else error

    if any(one is None for one in metrics):
        return None
    generator = np.random.default_rng(0)
    drawn = [doubled(generator.integers(0, held, held)) for _ in range(_RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "count": 2 * counts[-1],
        answer.primary: doubled(np.arange(held)),
        "interval": [float(low), float(high)],
    }


def _words(answer: Answer, found: dict[str, Any]) -> list[str]:
    primary, named = answer.primary, answer.primary.replace("_", " ")
    before, last = found["points"][-2:]
    step, expected = found["last_step"], found["expected"]
    sure = surely_above(step["p_value"], step["interval"])
    words = [
        f"{named} {last[primary]:.3f} with {last['count']} training examples, "
        f"{before[primary]:.3f} with {before['count']}: "
        + ("better by more than chance" if sure else "the difference may be chance")
    ]
    if expected is None:
        return words
    low, high = expected["interval"]
    words.append(
        f"a power law through the {len(found['points'])} points expects {named} "
        f"{expected[primary]:.3f} of {expected['count']} ({low:.3f} to {high:.3f})"
    )
    error, after = (
        1 - one[primary] if answer.direction == "max" else one[primary] for one in (last, expected)
    )
    if error > 0 and (error - after) / error >= _WORTH:
        words.append("as far as this tells, more examples of the same kind are worth collecting")
    else:
        words.append(
            "as far as this tells, more examples of the same kind change little; other ones, or "
            "better labels (kfine doctor), may"
        )
    return words
