"""Which weights have a mean that is better than the best of them."""

from __future__ import annotations

import numpy as np
import pytest

from kfine.evaluation.soup import greedy_soup


def weights(*values: float) -> list[np.ndarray]:
    return [np.float32(values)]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_best_comes_first_and_what_makes_the_mean_worse_is_left_out(sign: int) -> None:
    # The nearer the mean is to 0, the better; 3 and -1 balance each other, 10 does not.
    models = [weights(10), weights(-1), weights(3), weights(-2)]

    def score(found: list[np.ndarray]) -> float:
        return -sign * abs(float(found[0][0]))

    asked = []

    def read(number: int) -> list[np.ndarray]:
        asked.append(number)
        return models[number]

    alone = [score(one) for one in models]
    soup = greedy_soup(alone, read, score, "max" if sign > 0 else "min")
    assert asked == [1, 3, 2, 0]
    assert soup.kept == (1, 2)
    np.testing.assert_allclose(soup.weights[0], [1.0])
    assert soup.weights[0].dtype == np.float32
    assert soup.score == score(weights(1))


def test_equal_scores_are_no_reason_to_leave_one_out() -> None:
    soup = greedy_soup([0.5] * 3, lambda n: weights(n, 2 * n), lambda _: 0.5, "max")
    assert soup.kept == (0, 1, 2)
    np.testing.assert_allclose(soup.weights[0], [1.0, 2.0])
