"""The examples of one split, as training and evaluation see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kfine.data.decoding import load_record
from kfine.data.records import Image, Record
from kfine.data.store import RowStore
from kfine.errors import DataError


class Rows:
    """Some of the rows of a store, numbered from 0: what a split sees of it."""

    def __init__(self, store: RowStore, numbers: Sequence[int]) -> None:
        self._store = store
        self._numbers = np.asarray(numbers, np.intp)
        self.shape = (len(numbers), *store.shape[1:])
        self.dtype = store.dtype
        self.in_memory = store.in_memory

    @property
    def nbytes(self) -> int:
        """Bytes that these rows take."""
        return len(self) * (self._store.nbytes // max(1, len(self._store)))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, indices: ArrayLike) -> NDArray[Any]:
        """A copy of the rows with these numbers, in this order."""
        return self._store[self._numbers[np.asarray(indices, np.intp)]]


@dataclass(frozen=True)
class Split:
    """The examples of one split, in the order of their names.

    Attributes:
        name: `train`, `validation` or `test`.
        inputs: `inputs[indices]` is uint8 RGB, `(count, height, width, 3)`.
        labels: int32, `(count,)`: numbers into `Data.class_names`.
        names: Names within the source.
        digests: SHA-256 of the encoded content.
        records: Where the examples come from.
    """

    name: str
    inputs: Rows
    labels: NDArray[np.int32]
    names: tuple[str, ...]
    digests: tuple[str, ...]
    records: tuple[Record, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def read_raw(self, index: int) -> Image:
        """Decode one example again: uint8 RGB `(height, width, 3)` at its original size.

        Raises:
            DataError: The file has gone or changed into something else.
        """
        try:
            return load_record(self.records[index])[0]
        except DataError as error:
            raise DataError(f"{self.names[index]} can no longer be read: {error}") from None
