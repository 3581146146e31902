"""The raw texts of a split, by number."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Texts:
    """Texts in memory, numbered from 0, with the interface of `kfine.data.split.Rows`.

    A row is any object: a string, or a structure such as a (question, context) pair. Rows are
    never copied, only referred to.

    Attributes:
        shape: `(count,)`.
        dtype: Object.
        in_memory: Always True.

    Example:
        Texts(["good", "bad", "ugly"])[[2, 0]]  # array(["ugly", "good"], dtype=object)
    """

    in_memory = True

    def __init__(self, texts: Iterable[Any]) -> None:
        # fromiter and not array: that would make two columns of a list of pairs.
        self._texts: NDArray[np.object_] = np.fromiter(texts, dtype=object)
        self.shape = self._texts.shape
        self.dtype = self._texts.dtype

    def take(self, numbers: ArrayLike) -> Texts:
        """Some of these texts, in this order."""
        return Texts(self[numbers])

    def joined(self, other: Texts) -> Texts:
        """These texts, then others."""
        return Texts([*self._texts, *other._texts])

    @property
    def nbytes(self) -> int:
        """Bytes that these texts take, with the strings inside structures."""
        return self._texts.nbytes + sum(map(_size, self._texts))

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, indices: ArrayLike) -> NDArray[np.object_]:
        """The texts with these numbers, in this order: an object array."""
        return self._texts[np.asarray(indices, np.intp)]


def _size(row: Any) -> int:
    parts = row.values() if isinstance(row, dict) else row
    inside = sum(map(_size, parts)) if isinstance(row, (dict, list, tuple)) else 0
    return sys.getsizeof(row) + inside
