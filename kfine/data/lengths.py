"""How far padded sequences reach, so that batches of them are no longer than they must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Lengths that batches are trimmed to are multiples of this, so that there are few of them.
_LENGTH_STEP = 8


@dataclass(frozen=True)
class Lengths:
    """How far each example of padded sequences reaches.

    Attributes:
        used: `(examples,)` int, positions in use; those behind them are padding.
        sequences: For each tensor of the rows, in flat order, whether its second axis is
            positions.
        targets: The same for each tensor of the targets; empty if none has positions.
        before: Whether padding stands before a row, rather than behind it.
    """

    used: np.ndarray
    sequences: tuple[bool, ...]
    targets: tuple[bool, ...] = ()
    before: bool = False

    def trim(self, tensors: Any, rows: Any) -> Any:
        """Drop the positions that none of some rows uses; `tensors` are those rows."""
        return self._trimmed(tensors, self.sequences, rows)

    def trim_targets(self, targets: Any, rows: Any) -> Any:
        """The same of the targets of some rows, if those have positions."""
        return self._trimmed(targets, self.targets, rows) if any(self.targets) else targets

    def _trimmed(self, tensors: Any, sequences: tuple[bool, ...], rows: Any) -> Any:
        import tensorflow as tf

        length = self._longest(rows)
        used = slice(-length, None) if self.before else slice(length)
        flat = [
            tensor[:, used] if sequence else tensor
            for tensor, sequence in zip(tf.nest.flatten(tensors), sequences, strict=True)
        ]
        return tf.nest.pack_sequence_as(tensors, flat)

    def _longest(self, rows: Any) -> Any:
        import tensorflow as tf

        longest = tf.reduce_max(tf.gather(tf.constant(self.used, tf.int32), rows))
        return -(-longest // _LENGTH_STEP) * _LENGTH_STEP


def padded(values: np.ndarray, length: int) -> np.ndarray:
    """Zeros behind `(examples, positions, ...)` up to a number of positions."""
    missing = length - values.shape[1]
    return np.pad(values, [(0, 0), (0, missing), *[(0, 0)] * (values.ndim - 2)])


def by_length(lengths: Lengths) -> np.ndarray:
    """Numbers of the examples from the shortest to the longest, int64."""
    return np.argsort(lengths.used, kind="stable").astype(np.int64)
