"""Whether a model is right as often as it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BINS = 15
_STEPS = np.geomspace(0.2, 10, 200)
_THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_LEAST = 20


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
    logits = np.log(np.maximum(probabilities, 1e-12)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    found: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return found


def _loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    return -float(np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean())


def calibration(
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    validation: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any] | None:
    """How far confidence can be trusted on the test split.

    Args:
        rows: Of `predictions.json`, each with `label` and `probabilities`.
        names: Of the classes, in the order of the probabilities.
        validation: The same of validation examples, from which a temperature is learned; `None`
            where there are none that are new to the model.

    Returns:
        `error`, see `expected_error`; `bins`, see `reliability`; `thresholds`, how many
        predictions remain, and how many of those are right, where less sure ones are left out;
        `temperature` and `error_after`, `None` where none could be learned. `None` without
        probabilities.
    """
    if len(rows) < _LEAST or not all("probabilities" in one for one in rows):
        return None
    probabilities, truth = _arrays(rows, names)
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    found: dict[str, Any] = {
        "error": round(expected_error(sure, right), 4),
        "bins": reliability(sure, right),
        "thresholds": [
            {
                "threshold": one,
                "kept": round(float((sure >= one).mean()), 4),
                "right": round(float(right[sure >= one].mean()), 4)
                if (sure >= one).any()
                else None,
            }
            for one in _THRESHOLDS
        ],
        "temperature": None,
        "error_after": None,
    }
    if validation is not None and len(validation) >= _LEAST:
        held, held_truth = _arrays(validation, names)
        temperature = best_temperature(held, held_truth)
        after = with_temperature(probabilities, temperature).max(axis=1)
        found["temperature"] = temperature
        found["error_after"] = round(expected_error(after, right), 4)
    return found


def _arrays(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    numbers = {name: number for number, name in enumerate(names)}
    probabilities = np.array([one["probabilities"] for one in rows], np.float64)
    return probabilities, np.array([numbers[one["label"]] for one in rows])
