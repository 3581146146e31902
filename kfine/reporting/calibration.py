"""Whether a model is right as often as it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kfine.answers.confidence import (
    LEAST_EXAMPLES,
    best_temperature,
    expected_error,
    reliability,
    with_temperature,
)

_THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


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
    if len(rows) < LEAST_EXAMPLES or not all("probabilities" in one for one in rows):
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
    if validation is not None and len(validation) >= LEAST_EXAMPLES:
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
