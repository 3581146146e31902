"""What predicted numbers are worth against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_PARTS = 5


def number_metrics(
    found: np.ndarray,
    truth: np.ndarray,
    names: Sequence[str],
    units: Sequence[str],
    spread: np.ndarray,
) -> dict[str, Any]:
    """Errors of predicted numbers.

    Args:
        found: float `(examples, numbers)`, in their units.
        truth: The same.
        names: Of the numbers.
        units: Of each number; empty where it has none.
        spread: float `(numbers,)`, mean distance of the training labels from their median.

    Returns:
        A JSON-able dict: of one number `mean_absolute_error` and `root_mean_squared_error` in its
        unit; `relative_error`, the mean over the numbers of the mean absolute error as a fraction
        of `spread` (1 is as bad as always saying the median); `r2`, the mean share of the variance
        that is explained (0 for fewer than two examples or equal truths); and `per_number`, name
        -> all of these with its `unit`, and `bias`, the mean of prediction less truth.
    """
    per_number = {}
    for index, name in enumerate(names):
        error = found[:, index] - truth[:, index]
        variance = float(((truth[:, index] - truth[:, index].mean()) ** 2).mean())
        per_number[name] = {
            "unit": units[index],
            "mean_absolute_error": float(np.abs(error).mean()),
            "root_mean_squared_error": float(np.sqrt((error**2).mean())),
            "relative_error": float(np.abs(error).mean() / spread[index]),
            "r2": 1 - float((error**2).mean()) / variance if variance > 0 else 0.0,
            "bias": float(error.mean()),
        }
    single = next(iter(per_number.values())) if len(names) == 1 else {}
    own = ("mean_absolute_error", "root_mean_squared_error")
    return {
        **{key: single[key] for key in own if single},
        "relative_error": float(np.mean([one["relative_error"] for one in per_number.values()])),
        "r2": float(np.mean([one["r2"] for one in per_number.values()])),
        "per_number": per_number,
    }


def by_truth(found: np.ndarray, truth: np.ndarray) -> list[dict[str, Any]]:
    """Parts of about equal count, from small to large truths, with what was said of them.

    Args:
        found: float `(examples,)`.
        truth: The same.

    Returns:
        For each part `count`, the mean `truth`, the mean `prediction` and its standard `deviation`
        from the mean.
    """
    order = np.argsort(truth, kind="stable")
    parts = [one for one in np.array_split(order, min(_PARTS, len(order))) if len(one)]
    return [
        {
            "count": len(one),
            "truth": float(truth[one].mean()),
            "prediction": float(found[one].mean()),
            "deviation": float(found[one].std()),
        }
        for one in parts
    ]
