"""The examples of a split as they are, by number: texts, questions, rows of a table."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Objects:
    """Examples in memory, numbered from 0, with the interface of `kfine.data.split.Rows`.

    A row is any object: a string, or a structure such as a (question, context) pair. Rows are
    never copied, only referred to.

    Attributes:
        shape: `(count,)`.
        dtype: Object.
        in_memory: Always True.

    Example:
        Objects(["good", "bad", "ugly"])[[2, 0]]  # array(["ugly", "good"], dtype=object)
    """

    in_memory = True

    def __init__(self, rows: Iterable[Any]) -> None:
        # fromiter and not array: that would make two columns of a list of pairs.
        self._rows: NDArray[np.object_] = np.fromiter(rows, dtype=object)
        self.shape = self._rows.shape
        self.dtype = self._rows.dtype

    def take(self, numbers: ArrayLike) -> Objects:
        """Some of these examples, in this order."""
        return Objects(self[numbers])

    def joined(self, other: Objects) -> Objects:
        """These examples, then others."""
        return Objects([*self._rows, *other._rows])

    @property
    def nbytes(self) -> int:
        """Bytes that these examples take, with the strings inside structures."""
        return self._rows.nbytes + sum(map(_size, self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, indices: ArrayLike) -> NDArray[np.object_]:
        """The examples with these numbers, in this order: an object array."""
        return self._rows[np.asarray(indices, np.intp)]


def listed(examples: Any) -> list[Any]:
    """Examples in a list; the rows of a split are indexed for it."""
    if hasattr(examples, "take"):
        return list(examples[range(len(examples))])
    return list(examples)


def _size(row: Any) -> int:
    parts = row.values() if isinstance(row, dict) else row
    inside = sum(map(_size, parts)) if isinstance(row, (dict, list, tuple)) else 0
    return sys.getsizeof(row) + inside
