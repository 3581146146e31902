"""Which training examples calibrate an integer file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kfine.errors import ExportError
from kfine.exporting.choices import CALIBRATION_EXAMPLES


@dataclass(frozen=True)
class Calibration:
    """What calibrated a file, so that it can be made again.

    Attributes:
        split: The split that the examples are from.
        examples: How many.
        seed: Of the choice.
        per_class: How many of each class.
        indices: int64 `(examples,)` positions in the split.
    """

    split: str
    examples: int
    seed: int
    per_class: dict[str, int]
    indices: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy without the positions, which follow from the rest."""
        values = asdict(self)
        del values["indices"]
        return values


def representative_indices(
    labels: np.ndarray, *, count: int = CALIBRATION_EXAMPLES, seed: int = 0
) -> np.ndarray:
    """Choose examples class by class in turn, so that rare classes set their ranges too.

    Args:
        labels: Integer strata `(examples,)` of the training split.
        count: How many to choose, at most all.
        seed: Of the order within each class.

    Returns:
        int64 `(min(count, examples),)` distinct positions in `labels`.
    """
    labels = np.asarray(labels)
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        turn[members] = np.arange(len(members))
    return order[np.argsort(turn[order], kind="stable")][:count]


def choose_calibration(
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    count: int = CALIBRATION_EXAMPLES,
    seed: int = 0,
    split: str = "train",
) -> Calibration:
    """Choose a calibration set that is balanced over the classes.

    Args:
        labels: Integer classes `(examples,)` of the split.
        class_names: Names in the order of the integers.
        count: How many examples to choose, at most all.
        seed: Of the choice within each class.
        split: The split's name, for the record.

    Raises:
        ExportError: The set would hold one class only, whose ranges fit no other.
    """
    labels = np.asarray(labels)
    indices = representative_indices(labels, count=count, seed=seed)
    counts = np.bincount(labels[indices], minlength=len(class_names))
    per_class = {name: int(n) for name, n in zip(class_names, counts, strict=True)}
    present = [name for name, n in per_class.items() if n]
    if len(present) < 2:
        raise ExportError(
            "A calibration set needs examples of two classes or more, at least one of each class "
            f"is better. Received: {len(indices)} of {', '.join(present) or 'none'}"
        )
    return Calibration(split, len(indices), seed, per_class, indices)
