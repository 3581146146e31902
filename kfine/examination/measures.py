"""How large, long, dark or loud examples are, and which are unlike all others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kfine.data.labelled import Data
from kfine.examination.findings import Finding, Pool

# Tukey's outer fence: so many times what lies between the quartiles.
_FENCE = 3.0
# Of fewer examples nobody knows what is usual.
_LEAST = 20


def measure(data: Data) -> dict[str, dict[str, np.ndarray]]:
    """Split -> measure -> float64 `(examples,)`; empty where nothing can be measured."""
    if data.examiner is None:
        return {}
    return {name: data.examiner.measure(split) for name, split in data.splits.items()}


def ranges(measured: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, list[float]]]:
    """Measure -> split -> least, middle and largest value; JSON-able."""
    found: dict[str, dict[str, list[float]]] = {}
    for split, measures in measured.items():
        for name, values in measures.items():
            known = values[~np.isnan(values)]
            if len(known):
                three = (known.min(), np.median(known), known.max())
                found.setdefault(name, {})[split] = [round(float(one), 4) for one in three]
    return found


def odd_ones(pool: Pool, measured: Mapping[str, Mapping[str, np.ndarray]]) -> list[Finding]:
    """Examples far outside of what is usual, in some measure.

    Beyond three times the distance of the quartiles (J. Tukey, Exploratory Data Analysis, 1977),
    of logarithms where all values are above 0.
    """
    names = list(dict.fromkeys(name for one in measured.values() for name in one))
    found = []
    for name in names:
        values = np.concatenate([measured[split.name][name] for split in pool.splits])
        known = values[~np.isnan(values)]
        if len(known) < _LEAST:
            continue
        scaled = np.log(values) if (known > 0).all() else values
        low, middle, high = np.nanquantile(scaled, [0.25, 0.5, 0.75])
        fence = _FENCE * max(high - low, 1e-9 * max(1.0, abs(middle)))
        usual = float(np.median(known))
        for number in np.flatnonzero((scaled < low - fence) | (scaled > high + fence)):
            detail = f"{name}: {values[number]:.4g}, usually {usual:.4g}"
            away = abs(scaled[number] - middle) / fence
            found.append(
                pool.finding("unlike the others in size", int(number), detail, score=-away)
            )
    return sorted(found, key=lambda one: (one.score, one.name))
