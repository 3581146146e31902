"""Two models on the same test examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kfine.statistics import paired_comparison, surely_above

MOST_CHANGED = 8


def beside(
    name: str, rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Another model beside this one, on the examples that both were tested on.

    Args:
        name: Of the other.
        rows: Of `predictions.json`, each with `name`, `label` and `prediction`.
        others: The same of the other model.

    Returns:
        `name`; `count`, of examples that both have with the same label; `right` and `other_right`,
        fractions; `difference` of the other, its 95 % `interval`, the one-sided `p_value` that its
        lead, or this one's, is chance, and `said`, that in words; `gained` and `lost`, examples
        that only the other, or only this one, has right; `None` where they share no example.
    """
    known = {one["name"]: one for one in others}
    pairs = [
        (one, known[one["name"]])
        for one in rows
        if one["name"] in known and known[one["name"]]["label"] == one["label"]
    ]
    if not pairs:
        return None
    right, other_right = (
        np.array([float(pair[place]["label"] == pair[place]["prediction"]) for pair in pairs])
        for place in (0, 1)
    )
    ahead = other_right.mean() >= right.mean()
    better, worse = (other_right, right) if ahead else (right, other_right)
    p_value, low, high = paired_comparison(better, worse)
    said = "may be chance"
    if surely_above(p_value, (low, high)):
        said = f"{'better' if ahead else 'worse'} by more than chance"
    return {
        "name": name,
        "count": len(pairs),
        "right": float(right.mean()),
        "other_right": float(other_right.mean()),
        "difference": float(other_right.mean() - right.mean()),
        "interval": [low, high] if ahead else [-high, -low],
        "p_value": p_value,
        "said": said,
        "gained": _changed(pairs, other_right > right),
        "lost": _changed(pairs, other_right < right),
    }


def _changed(
    pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], which: np.ndarray
) -> dict[str, Any]:
    """How many changed, and the first with both predictions."""
    chosen = [pair for pair, one in zip(pairs, which, strict=True) if one]
    return {
        "count": len(chosen),
        "examples": [
            {
                "name": one["name"],
                "label": one["label"],
                "prediction": one["prediction"],
                "other": other["prediction"],
            }
            for one, other in chosen[:MOST_CHANGED]
        ],
    }
