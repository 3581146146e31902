"""How much each hyperparameter mattered in a search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kfine.tuning.records import TrialRecord

FEWEST_TRIALS = 8


def table(
    records: Sequence[TrialRecord],
) -> tuple[list[str], np.ndarray]:
    """Hyperparameters that took more than one value, and their values as numbers.

    Args:
        records: Trials with scores.

    Returns:
        The names, and float64 `(trials, names)`: logarithms where the values span orders of
        magnitude, the place in the sorted list for words, -1 below everything where inactive.
    """
    names = [name for one in records for name in one.values if not name.startswith("tuner/")]
    columns = {}
    for name in dict.fromkeys(names):
        column = [one.values.get(name) for one in records]
        if len(set(column)) > 1:
            columns[name] = _numbers(column)
    if not columns:
        return [], np.zeros((len(records), 0))
    return list(columns), np.stack(list(columns.values()), axis=1)


def _numbers(column: Sequence[Any]) -> np.ndarray:
    there = [one for one in column if one is not None]
    if all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in there):
        low, high = min(there), max(there)
        if low > 0 and high / low > 20:
            return _filled([None if one is None else math.log10(one) for one in column])
        return _filled(column)
    places = {value: place for place, value in enumerate(sorted({str(one) for one in there}))}
    return _filled([None if one is None else places[str(one)] for one in column])


def _filled(column: Sequence[float | None]) -> np.ndarray:
    there = [one for one in column if one is not None]
    missing = min(there) - 1
    return np.array([missing if one is None else one for one in column], np.float64)


def importance(records: Sequence[TrialRecord], objective: str) -> Mapping[str, float]:
    """Share of the explained variation of the objective that each hyperparameter accounts for.

    A random forest predicts the objective from the values; the importance of one is how much worse
    it predicts when the values of that one are shuffled between the trials. Few trials say little:
    what is near zero may still matter.

    Args:
        records: Trials with scores; pruned ones count with what they reached.
        objective: Name of the objective.

    Returns:
        Names with shares that sum to 1, the largest first; empty for fewer than `FEWEST_TRIALS`
        trials, or where nothing mattered.

    Reference:
        Breiman 2001, "Random Forests", section 10; `sklearn.inspection.permutation_importance`.
    """
    names, values = table(records)
    if len(records) < FEWEST_TRIALS or not names:
        return {}
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    scores = np.array([one.scores[objective] for one in records])
    forest = RandomForestRegressor(100, min_samples_leaf=2, random_state=0).fit(values, scores)
    found = permutation_importance(forest, values, scores, n_repeats=10, random_state=0)
    shares = np.maximum(found.importances_mean, 0)
    if shares.sum() <= 0:
        return {}
    order = np.argsort(-shares, kind="stable")
    return {names[i]: float(shares[i] / shares.sum()) for i in order}
