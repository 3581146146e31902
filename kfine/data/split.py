"""The examples of one split, as training and evaluation see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kfine.data.records import Record
from kfine.data.store import RowStore
from kfine.errors import DataError


class Inputs(Protocol):
    """What a split sees of its examples: rows by number."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_memory: bool

    def take(self, numbers: ArrayLike) -> Self:
        """Some of these rows, in this order."""
        ...

    def joined(self, other: Any) -> Self:
        """These rows, then others of the same kind."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that these rows take."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: ArrayLike) -> NDArray[Any]:
        """The rows with these numbers, in this order."""
        ...


class _TwoStores(RowStore):
    """The rows of a store, and after them those of another; both stay where they are."""

    def __init__(self, first: RowStore, second: RowStore) -> None:
        assert first.shape[1:] == second.shape[1:] and first.dtype == second.dtype
        super().__init__((len(first) + len(second), *first.shape[1:]), first.dtype)
        self._first, self._second = first, second
        self.in_memory = first.in_memory and second.in_memory

    def __getitem__(self, indices: ArrayLike) -> NDArray[Any]:
        numbers = np.asarray(indices, np.intp)
        rows = np.empty((*numbers.shape, *self.shape[1:]), self.dtype)
        before = numbers < len(self._first)
        rows[before] = self._first[numbers[before]]
        rows[~before] = self._second[numbers[~before] - len(self._first)]
        return rows

    def __setitem__(self, index: int, row: ArrayLike) -> None:
        raise TypeError("each store is written by itself")

    def close(self) -> None:
        self._first.close()
        self._second.close()


class Rows:
    """Some of the rows of a store, numbered from 0: what a split sees of it."""

    def __init__(self, store: RowStore, numbers: Sequence[int]) -> None:
        self._store = store
        self._numbers = np.asarray(numbers, np.intp)
        self.shape = (len(numbers), *store.shape[1:])
        self.dtype = store.dtype
        self.in_memory = store.in_memory

    def take(self, numbers: ArrayLike) -> Rows:
        """Some of these rows, in this order; nothing is copied."""
        return Rows(self._store, self._numbers[np.asarray(numbers, np.intp)].tolist())

    def joined(self, other: Rows) -> Rows:
        """These rows, then others of the same shape."""
        store, after = self._store, other._numbers
        if other._store is not store:
            store, after = _TwoStores(store, other._store), after + len(store)
        return Rows(store, np.concatenate([self._numbers, after]).tolist())

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
        inputs: `inputs[indices]` are rows, such as uint8 RGB `(count, height, width, 3)`,
            or an object array of examples, `(count,)`.
        labels: The truth of each example, as its answer has it: a class name, tags, numbers.
        strata: int32, `(count,)`: equal for examples that count as alike where splits, folds and
            calibration are balanced.
        names: Names within the source.
        digests: SHA-256 of the encoded content (of UTF-8, for a text).
        records: Where the examples come from.
        read: Reads a record as it came; `None` where the inputs are that already.
    """

    name: str
    inputs: Inputs
    labels: tuple[Any, ...]
    strata: NDArray[np.int32]
    names: tuple[str, ...]
    digests: tuple[str, ...]
    records: tuple[Record, ...] = field(repr=False)
    read: Callable[[Record], Any] | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.names)

    def take(self, numbers: ArrayLike, name: str) -> Split:
        """Some of the examples, as a split of another name."""
        rows = [int(number) for number in np.asarray(numbers, np.intp)]
        return Split(
            name=name,
            inputs=self.inputs.take(rows),
            labels=tuple(self.labels[row] for row in rows),
            strata=self.strata[rows],
            names=tuple(self.names[row] for row in rows),
            digests=tuple(self.digests[row] for row in rows),
            records=tuple(replace(self.records[row], split=name) for row in rows),
            read=self.read,
        )

    def joined(self, other: Split) -> Split:
        """These examples, then those of another split."""
        return Split(
            name=self.name,
            inputs=self.inputs.joined(other.inputs),
            labels=self.labels + other.labels,
            strata=np.concatenate([self.strata, other.strata]),
            names=self.names + other.names,
            digests=self.digests + other.digests,
            records=self.records + other.records,
            read=self.read,
        )

    def examples(self, numbers: Sequence[int] | None = None) -> list[Any]:
        """Some examples as the rows have them, or all."""
        return list(self.inputs[range(len(self)) if numbers is None else numbers])

    def read_raw(self, index: int) -> Any:
        """One example as it came, before it was made a row: an image at its original size.

        Raises:
            DataError: The file has gone or changed into something else.
        """
        if self.read is None:
            return self.inputs[[index]][0]
        try:
            return self.read(self.records[index])
        except DataError as error:
            raise DataError(f"{self.names[index]} can no longer be read: {error}") from None
