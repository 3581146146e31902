"""Which models' weights have a mean that is better than the best of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Weights = list[np.ndarray]


@dataclass(frozen=True)
class Soup:
    """A mean of weights.

    Attributes:
        weights: The mean.
        kept: Numbers of the models that it is of, in the order in which they came in.
        score: Of the mean.
    """

    weights: Weights
    kept: tuple[int, ...]
    score: float


def greedy_soup(
    alone: Sequence[float],
    weights: Callable[[int], Weights],
    score: Callable[[Weights], float],
    direction: str,
) -> Soup:
    """Take the best model, and each further one with which the mean is not worse.

    "Model soups" (Wortsman et al., 2022, https://arxiv.org/abs/2203.05482), the greedy recipe:
    the best come first, and one that makes the mean worse is left out.

    Args:
        alone: The score of each model by itself.
        weights: From a model's number to its weights.
        score: Of weights.
        direction: "max" or "min": which scores are better.
    """
    sign = 1.0 if direction == "max" else -1.0
    first, *others = sorted(range(len(alone)), key=lambda number: -sign * alone[number])
    soup = Soup(weights(first), (first,), alone[first])
    for number in others:
        count = len(soup.kept)
        pairs = zip(soup.weights, weights(number), strict=True)
        mean = [((count * old + new) / (count + 1)).astype(old.dtype) for old, new in pairs]
        found = score(mean)
        if sign * found >= sign * soup.score:
            soup = Soup(mean, (*soup.kept, number), found)
    return soup
