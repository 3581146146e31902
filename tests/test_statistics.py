"""Intervals and tests against published values and exact enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kfine.statistics import (
    paired_binomial,
    paired_difference_interval,
    paired_mean_comparison,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_gives_the_table_of_newcombe_1998(
    successes: int, count: int, low: float, high: float
) -> None:
    assert wilson_interval(successes, count) == pytest.approx((low, high), abs=1e-4)


def test_wilson_interval_of_nothing_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_wilson_interval_is_exact_at_the_ends() -> None:
    assert wilson_interval(0, 7)[0] == 0.0
    assert wilson_interval(7, 7)[1] == 1.0


def test_wilson_interval_rejects_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match="between 0 and count"):
        wilson_interval(3, 2)


def test_paired_binomial_counts_coin_tosses() -> None:
    assert paired_binomial(0, 0) == 1.0
    assert paired_binomial(3, 0) == pytest.approx(1 / 8)
    assert paired_binomial(5, 1) == pytest.approx(7 / 64)
    assert paired_binomial(0, 5) == 1.0
    expected = sum(math.comb(30, k) for k in range(20, 31)) / 2**30
    assert paired_binomial(20, 10) == pytest.approx(expected)


def test_paired_binomial_rejects_negative_counts() -> None:
    with pytest.raises(ValueError, match="negative"):
        paired_binomial(-1, 2)


def test_the_difference_of_equal_answers_keeps_a_width() -> None:
    correct = np.arange(240) % 6 > 0
    low, high = paired_difference_interval(correct, correct)
    assert low == pytest.approx(-high)
    # The rule of three: no change in 240 does not exclude a rate of 3 / 240.
    assert 0.005 < high < 0.03


def test_the_difference_changes_sign_with_the_order() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.random(100) < 0.8, generator.random(100) < 0.7
    low, high = paired_difference_interval(a, b)
    assert paired_difference_interval(b, a) == pytest.approx((-high, -low))
    assert low < a.mean() - b.mean() < high


def test_the_difference_interval_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    shares = [0.70, 0.06, 0.04, 0.20]
    covered = 0
    for _ in range(1000):
        kind = generator.choice(4, size=120, p=shares)
        low, high = paired_difference_interval(kind <= 1, (kind == 0) | (kind == 2))
        covered += low <= 0.02 <= high
    assert 930 <= covered <= 980


def test_the_difference_of_no_examples_is_unknown() -> None:
    assert paired_difference_interval([], []) == (-1.0, 1.0)


def test_the_difference_wants_the_same_examples() -> None:
    with pytest.raises(ValueError, match="Received"):
        paired_difference_interval([True], [True, False])


def test_scores_between_right_and_wrong_are_compared_by_permutation() -> None:
    rng = np.random.default_rng(1)
    b = rng.integers(0, 4, 200) / 3
    better = np.minimum(1, b + (rng.random(200) < 0.2) / 3)
    p_value, low, high = paired_mean_comparison(better, b)
    assert p_value < 0.001 and 0 < low < (better - b).mean() < high
    # Swapping the two must not be called an improvement.
    assert paired_mean_comparison(b, better)[0] > 0.99
    chance = paired_mean_comparison(rng.permutation(b), b)
    assert chance[0] > 0.05 and chance[1] < 0 < chance[2]
    # Nothing differs: no proof that the two are equal.
    p_value, low, high = paired_mean_comparison(b[:10], b[:10])
    assert p_value == 1 and low < 0 < high
