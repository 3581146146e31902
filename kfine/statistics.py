"""Small-sample statistics that the gates and the comparisons share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def wilson_interval(successes: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a proportion, without continuity correction.

    Args:
        successes: How many of `count` were right, 0 to `count`.
        count: How many there were; with 0 nothing is known and (0, 1) is returned.
        level: Coverage of the two-sided interval, between 0 and 1.

    Returns:
        Lower and upper end, fractions from 0 to 1.

    Reference:
        Wilson 1927; method 3 of Newcombe, Statistics in Medicine 17 (1998), 857-872.
    """
    if not 0 <= successes <= count:
        raise ValueError(f"successes must lie between 0 and count. Received: {successes}, {count}")
    if count == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest

    interval = binomtest(successes, count).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def paired_binomial(worse: int, better: int) -> float:
    """One-sided exact McNemar test: is it chance that more got worse than better?

    Args:
        worse: Examples that the reference had right and the other has wrong.
        better: Examples that the reference had wrong and the other has right.

    Returns:
        Probability of `worse` or more among `worse + better` fair coin tosses; 1.0 when
        nothing changed.
    """
    from scipy.stats import binom

    if worse < 0 or better < 0:
        raise ValueError(f"worse and better must not be negative. Received: {worse}, {better}")
    return float(min(1.0, binom.sf(worse - 1, worse + better, 0.5)))


def paired_difference_interval(
    correct_a: Any, correct_b: Any, level: float = 0.95
) -> tuple[float, float]:
    """Interval of `mean(correct_a) - mean(correct_b)` for the same examples.

    Unlike the usual normal approximation it keeps a width when no example changed, so that
    a small set does not look like proof.

    Args:
        correct_a: Boolean `(examples,)`, whether the first model is right.
        correct_b: Boolean `(examples,)`, the second model on the same examples.
        level: Coverage of the two-sided interval, between 0 and 1.

    Returns:
        Lower and upper end, fractions from -1 to 1; (-1, 1) for no examples.

    Reference:
        Method 10 of Newcombe, Statistics in Medicine 17 (1998), 2635-2650.
    """
    a = np.asarray(correct_a, dtype=bool)
    b = np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"both must be (examples,). Received: {a.shape} and {b.shape}")
    count = len(a)
    if count == 0:
        return -1.0, 1.0
    share_a, share_b = float(a.mean()), float(b.mean())
    low_a, high_a = wilson_interval(int(a.sum()), count, level)
    low_b, high_b = wilson_interval(int(b.sum()), count, level)
    phi = _correlation(int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum()), count)
    below, above = share_a - low_a, high_b - share_b
    low = below**2 - 2 * phi * below * above + above**2
    below, above = share_b - low_b, high_a - share_a
    high = above**2 - 2 * phi * above * below + below**2
    difference = share_a - share_b
    return difference - math.sqrt(max(0.0, low)), difference + math.sqrt(max(0.0, high))


def paired_mean_comparison(
    a: Any, b: Any, *, level: float = 0.95, resamples: int = 9999
) -> tuple[float, float, float]:
    """Whether `mean(a)` is above `mean(b)` for the same examples, and by how much.

    For scores between right and wrong, such as the share of several seeds that are right, where
    the exact test of counts does not apply.

    Args:
        a: float `(examples,)`, scores of the first.
        b: float `(examples,)`, scores of the second on the same examples.
        level: Coverage of the two-sided interval, between 0 and 1.
        resamples: Draws of the permutation test and of the bootstrap, from a fixed seed.

    Returns:
        The one-sided p value of a sign-flip permutation test (1.0 where nothing differs), and the
        ends of a percentile bootstrap interval of the difference.

    Reference:
        Efron and Tibshirani 1993, chapters 13 and 15.
    """
    difference = np.asarray(a, float) - np.asarray(b, float)
    if difference.ndim != 1 or not len(difference):
        raise ValueError(f"both must be (examples,) and not empty. Received: {difference.shape}")
    changed = difference[difference != 0]
    if not len(changed):
        low, high = paired_difference_interval(np.asarray(a) >= 0.5, np.asarray(b) >= 0.5, level)
        return 1.0, low, high
    generator = np.random.default_rng(0)
    at_least, means = 0, []
    for _ in range(resamples):
        flips = generator.integers(0, 2, len(changed)) * 2 - 1
        at_least += float((changed * flips).sum()) >= float(changed.sum()) - 1e-12
        means.append(generator.choice(difference, len(difference)).mean())
    ends = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return (at_least + 1) / (resamples + 1), float(ends[0]), float(ends[1])


def right_or_wrong(*scores: np.ndarray) -> bool:
    """Whether scores of examples are 0 or 1 and nothing between."""
    return set(np.unique(scores)) <= {0.0, 1.0}


def paired_comparison(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Whether the mean of one is above that of the other, for the same examples.

    Args:
        one: float `(examples,)`, how right each example is, 0 to 1.
        other: The same of another model.

    Returns:
        The one-sided p value of the exact test where both are 0 or 1, of the sign-flip
        permutation test else, and the ends of the 95 % interval of the difference.
    """
    if not right_or_wrong(one, other):
        return paired_mean_comparison(one, other)
    low, high = paired_difference_interval(one == 1, other == 1)
    return paired_binomial(int((one > other).sum()), int((one < other).sum())), low, high


def gap_p_value(
    each: np.ndarray,
    inside: np.ndarray,
    metric: Callable[[np.ndarray], float] | None = None,
    *,
    resamples: int = 999,
) -> float:
    """Whether some examples score otherwise than the rest by more than chance, two-sided.

    Fisher's exact test where each example is right or wrong; else a permutation test, which divides
    the examples at random from a fixed seed.

    Args:
        each: float `(examples,)`, how right each example is.
        inside: bool `(examples,)`, which examples are meant; neither all nor none.
        metric: The metric of the examples with some numbers, where it is no mean of `each`.
        resamples: Draws of the permutation test.

    Reference:
        Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses, chapter 3.
    """
    if metric is None and right_or_wrong(each):
        from scipy.stats import fisher_exact

        table = [[int((each[one] == value).sum()) for value in (0, 1)] for one in (inside, ~inside)]
        return float(fisher_exact(table).pvalue)
    value = metric or (lambda numbers: float(each[numbers].mean()))
    order, count = np.flatnonzero(inside), int(inside.sum())
    seen = abs(value(order) - value(np.flatnonzero(~inside)))
    generator = np.random.default_rng(0)
    as_far = 0
    for _ in range(resamples):
        drawn = generator.permutation(len(each))
        as_far += abs(value(drawn[:count]) - value(drawn[count:])) >= seen - 1e-12
    return (as_far + 1) / (resamples + 1)


def mean_interval(
    each: np.ndarray,
    metric: Callable[[np.ndarray], float] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 999,
) -> tuple[float, float]:
    """Interval of the mean of examples, or of another metric of theirs.

    Args:
        each: float `(examples,)`, how right each example is; Wilson's interval where that is 0 or
            1, a percentile bootstrap from a fixed seed else.
        metric: The metric of the examples with some numbers, where it is no mean of `each`.
        level: Coverage of the two-sided interval, between 0 and 1.
        resamples: Draws of the bootstrap.
    """
    if metric is None and right_or_wrong(each):
        return wilson_interval(int(each.sum()), len(each), level)
    value = metric or (lambda numbers: float(each[numbers].mean()))
    generator = np.random.default_rng(0)
    drawn = [value(generator.integers(0, len(each), len(each))) for _ in range(resamples)]
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values of several tests, each corrected for the number of all.

    Reference:
        Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
    """
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, number in enumerate(np.argsort(p_values, kind="stable").tolist()):
        least = max(least, min(1.0, p_values[number] * (len(p_values) - rank)))
        corrected[number] = least
    return corrected


def surely_above(p_value: float, interval: Sequence[float]) -> bool:
    """Whether a comparison may be called better: by its one-sided test and by its interval."""
    return p_value <= 0.05 and interval[0] > 0


def bootstrap_fall(
    fall: Callable[[np.ndarray], float],
    count: int,
    changed: Any,
    *,
    level: float = 0.95,
    resamples: int = 999,
) -> tuple[float, float, float]:
    """Whether a metric of all examples together fell by more than chance.

    Args:
        fall: From the numbers of some examples, drawn with repetition, to the fall on them.
        count: How many examples there are.
        changed: `(examples,)`, 0 for each whose score did not change.
        level: Coverage of the two-sided interval, between 0 and 1.
        resamples: Draws, from a fixed seed.

    Returns:
        The one-sided p value, the share of draws without a fall (1.0 where nothing changed), and
        the ends of the percentile interval.

    Reference:
        Efron and Tibshirani 1993, chapters 13 and 15.
    """
    changed = np.asarray(changed)
    if not changed.any():
        everything = np.ones(count, bool)
        return 1.0, *paired_difference_interval(everything, everything, level)
    generator = np.random.default_rng(0)
    falls = np.array([fall(generator.integers(0, count, count)) for _ in range(resamples)])
    ends = np.quantile(falls, [0.5 - level / 2, 0.5 + level / 2])
    at_most = int((falls <= 1e-12).sum())
    return (at_most + 1) / (resamples + 1), float(ends[0]), float(ends[1])


def _correlation(both: int, only_a: int, only_b: int, count: int) -> float:
    """Newcombe's phi: moved toward zero by half the sample where it is positive."""
    neither = count - both - only_a - only_b
    product = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if product == 0:
        return 0.0
    numerator: float = both * neither - only_a * only_b
    if numerator > 0:
        numerator = max(numerator - count / 2, 0)
    return numerator / math.sqrt(product)
