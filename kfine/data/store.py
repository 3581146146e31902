"""Equal-sized rows, in memory when they fit a budget and else in a file."""

from __future__ import annotations

import math
import shutil
import tempfile
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kfine.errors import DataError


class RowStore(ABC):
    """A table of rows of one shape and dtype; threads may read and write different rows.

    Attributes:
        shape: The number of rows, then the shape of one.
        dtype: The dtype of the rows.
        in_memory: Whether the rows lie in memory.
    """

    in_memory: bool

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)

    @property
    def nbytes(self) -> int:
        """Bytes that all rows take, wherever they lie."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, indices: ArrayLike) -> NDArray[Any]:
        """A copy of the rows with these numbers, in this order."""

    @abstractmethod
    def __setitem__(self, index: int, row: ArrayLike) -> None:
        """Write one row."""

    @abstractmethod
    def close(self) -> None:
        """Give up the rows, and the file if there is one."""


class _MemoryRows(RowStore):
    in_memory = True

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        super().__init__(shape, dtype)
        self._rows = np.zeros(shape, dtype)

    def __getitem__(self, indices: ArrayLike) -> NDArray[Any]:
        return np.take(self._rows, np.asarray(indices, np.intp), axis=0)

    def __setitem__(self, index: int, row: ArrayLike) -> None:
        self._rows[index] = row

    def close(self) -> None:
        self._rows = np.zeros((0, *self.shape[1:]), self.dtype)


class _DiskRows(RowStore):
    """Rows in a file without a name, which the system removes however the process ends.

    Reads and writes, no memory map: mapped pages count as the process's memory, and a disk
    that fills up kills a process that writes through a map.
    """

    in_memory = False

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, file: IO[bytes]) -> None:
        super().__init__(shape, dtype)
        self._file = file
        self._lock = threading.Lock()
        self._row_bytes = math.prod(shape[1:]) * self.dtype.itemsize

    def __getitem__(self, indices: ArrayLike) -> NDArray[Any]:
        numbers = np.asarray(indices, np.intp)
        numbers = np.where(numbers < 0, numbers + len(self), numbers)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"row numbers go from 0 to {len(self) - 1}")
        rows = np.empty((numbers.size, *self.shape[1:]), self.dtype)
        for place, number in enumerate(numbers.flat):
            view = memoryview(rows[place : place + 1]).cast("B")  # type: ignore[arg-type]
            with self._lock:
                self._file.seek(int(number) * self._row_bytes)
                read = self._file.readinto(view)  # type: ignore[attr-defined]
            if read != self._row_bytes:
                raise OSError(f"row {number} of the cache file is incomplete")
        return rows.reshape(numbers.shape + self.shape[1:])

    def __setitem__(self, index: int, row: ArrayLike) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"row numbers go from 0 to {len(self) - 1}")
        values = np.broadcast_to(np.asarray(row, self.dtype), self.shape[1:])
        try:
            with self._lock:
                self._file.seek(index * self._row_bytes)
                written = self._file.write(values.tobytes())
        except OSError as error:
            raise _cannot_write(self._file.name, error) from None
        if written != self._row_bytes:
            raise DataError("the disk became full while decoded examples were written to it")

    def close(self) -> None:
        self._file.close()

    def __del__(self) -> None:
        self._file.close()


def open_rows(
    count: int,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    *,
    memory_budget: int,
    folder: Path,
) -> RowStore:
    """Make room for rows, all zero at first.

    Args:
        count: Number of rows.
        shape: Shape of one row.
        dtype: Dtype of the rows.
        memory_budget: Bytes; more than that goes to a file.
        folder: Where the file lies; made if missing, touched only if the file is needed.

    Raises:
        DataError: The disk has not got the room, or the folder cannot be written.
    """
    whole = (count, *shape)
    needed = math.prod(whole) * np.dtype(dtype).itemsize
    if needed <= memory_budget:
        return _MemoryRows(whole, dtype)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise DataError(
                f"decoded examples need {_size(needed)} and {folder} has {_size(free)} left: "
                f"free some space or allow more than {_size(memory_budget)} of memory"
            )
        # The rows own it and close it.
        file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115
            dir=folder, prefix="rows-", buffering=0
        )
        file.truncate(needed)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    return _DiskRows(whole, dtype, file)


def _cannot_write(place: object, error: OSError) -> DataError:
    return DataError(
        f"decoded examples cannot be written to {place}: {error.strerror or error}; "
        "name a folder with room or allow more memory"
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
