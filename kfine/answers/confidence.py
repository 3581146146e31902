"""How sure predictions are, and how often those are right."""

from __future__ import annotations

from typing import Any

import numpy as np

BINS = 15
_STEPS = np.geomspace(0.2, 10, 200)
# Of fewer examples a temperature would be chance.
LEAST_EXAMPLES = 20


def expected_error(sure: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error, fraction: how far confidence and accuracy are apart.

    Of 15 bins of equal width: Guo et al., On Calibration of Modern Neural Networks, 2017,
    https://arxiv.org/abs/1706.04599.

    Args:
        sure: `(examples,)`, the probability of each prediction.
        right: `(examples,)`, 1 where it is right, else 0.
    """
    rows = reliability(sure, right)
    return float(sum(one["count"] * abs(one["right"] - one["sure"]) for one in rows) / len(sure))


def reliability(sure: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Of each bin that is not empty: its `start`, `count`, mean confidence `sure`, and `right`."""
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    found = []
    for place in np.unique(places):
        inside = places == place
        found.append(
            {
                "start": round(float(place) / BINS, 4),
                "count": int(inside.sum()),
                "sure": round(float(sure[inside].mean()), 4),
                "right": round(float(right[inside].mean()), 4),
            }
        )
    return found


def best_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """What logits are to be divided by, so that the likelihood of the truth is greatest.

    Args:
        probabilities: float `(examples, classes)`.
        truth: int `(examples,)`.
    """
    losses = [_loss(with_temperature(probabilities, one), truth) for one in _STEPS]
    return round(float(_STEPS[int(np.argmin(losses))]), 3)


def with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities of logits that were divided by a temperature."""
    from scipy.special import softmax

    found: np.ndarray = softmax(np.log(np.maximum(probabilities, 1e-12)) / temperature, axis=1)
    return found


def _loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    return -float(np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean())
