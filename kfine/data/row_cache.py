"""Rows computed once and kept on disk, found again by the content that they were computed from."""

from __future__ import annotations

import hashlib
import math
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kfine.data.cache import ABOUT
from kfine.data.split import Rows
from kfine.errors import KfineError, RunError
from kfine.runs.files import read_json, whole_folder, write_json

Shape = tuple[int, ...]
_KNOWN: WeakKeyDictionary[Rows, list[str]] = WeakKeyDictionary()


class RowCache:
    """Rows of one or several tensors under one key, in segments that never change.

    A segment is a folder that appears whole or not at all, so several processes may read and
    write the same cache: at worst both compute the same rows. A segment whose files do not have
    their length, or a row whose checksum is wrong, is removed and computed again.

    Args:
        folder: Where the segments lie; named after everything that the rows depend on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged = 0
        self._places: dict[str, tuple[_Segment, int]] = {}
        for path in sorted(folder.glob("segment-*")):
            self._add(path)

    def __contains__(self, identity: str) -> bool:
        return identity in self._places

    def __len__(self) -> int:
        return len(self._places)

    def describe(self, about: dict[str, Any]) -> None:
        """Say what the rows are, for people; the file's time is that of the last use."""
        write_json(self.folder / ABOUT, about)

    def about(self) -> dict[str, Any]:
        """What `describe` was told last; empty before that."""
        try:
            about: dict[str, Any] = read_json(self.folder / ABOUT)
        except RunError:
            return {}
        return about

    def write(self, identities: Sequence[str], tensors: Sequence[NDArray[Any]]) -> None:
        """Add rows as one segment.

        Args:
            identities: Of the rows.
            tensors: Each `(rows, ...)`.

        Raises:
            RunError: The disk is full or cannot be written.
        """
        name = hashlib.sha256("\n".join(identities).encode()).hexdigest()[:16]
        for path in self.folder.glob(f"segment-{name}-*"):
            self._add(path)
        if all(identity in self for identity in identities):
            return  # another process computed the same rows meanwhile
        # A name of its own: two processes that write the same rows never replace each other's.
        target = self.folder / f"segment-{name}-{secrets.token_hex(4)}"
        tensors = [np.ascontiguousarray(tensor) for tensor in tensors]
        with whole_folder(target) as folder:
            for number, tensor in enumerate(tensors):
                tensor.tofile(folder / f"{number}.bin")
            index = {
                "ids": list(identities),
                "tensors": [
                    {"shape": tensor.shape[1:], "dtype": tensor.dtype.name} for tensor in tensors
                ],
                "checksums": [
                    _checksum([t[row] for t in tensors]) for row in range(len(identities))
                ],
            }
            write_json(folder / "index.json", index)
        self._add(target)

    def rows(self, identities: Sequence[str], memory_budget: int) -> CachedRows:
        """The rows with these identities, in this order, all of which must be there.

        Raises:
            DamagedRows: A row that was read into memory is not what was written.
        """
        return CachedRows([self._places[one] for one in identities], memory_budget)

    def _add(self, path: Path) -> None:
        try:
            segment = _Segment.open(path)
        except (KfineError, OSError, KeyError, TypeError, ValueError) as error:
            # Too many open files, or a disk that does not answer, says nothing of the segment.
            missing = isinstance(error, FileNotFoundError)
            if path.exists() and (missing or not isinstance(error, OSError)):
                shutil.rmtree(path, ignore_errors=True)
                self.damaged += 1
            return
        for row, identity in enumerate(segment.identities):
            self._places.setdefault(identity, (segment, row))


class DamagedRows(KfineError):
    """A cached row is not what was written; its segment has been removed."""


@contextmanager
def plain_damage() -> Iterator[None]:
    """Give damage that an input pipeline met as `DamagedRows`, not as TensorFlow's report of it."""
    try:
        yield
    except Exception as error:
        found = re.search(r"DamagedRows: (.+)", str(error))
        if not found:
            raise
        raise DamagedRows(found[1]) from None


@dataclass(frozen=True)
class _Segment:
    path: Path
    identities: tuple[str, ...]
    shapes: tuple[Shape, ...]
    dtypes: tuple[np.dtype[Any], ...]
    checksums: tuple[int, ...]
    files: tuple[int, ...]

    @classmethod
    def open(cls, path: Path) -> _Segment:
        index = read_json(path / "index.json")
        shapes = tuple(tuple(tensor["shape"]) for tensor in index["tensors"])
        dtypes = tuple(np.dtype(tensor["dtype"]) for tensor in index["tensors"])
        count = len(index["ids"])
        for number, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)):
            expected = count * math.prod(shape) * dtype.itemsize
            if (path / f"{number}.bin").stat().st_size != expected:
                raise ValueError(f"{path} is truncated")
        # Opened now: a cache that another process clears goes on being readable.
        files = tuple(os.open(path / f"{number}.bin", os.O_RDONLY) for number in range(len(shapes)))
        checksums = tuple(index["checksums"])
        return cls(path, tuple(index["ids"]), shapes, dtypes, checksums, files)

    def __del__(self) -> None:
        for file in self.files:
            os.close(file)

    def read(self, row: int) -> list[NDArray[Any]]:
        parts = []
        for file, shape, dtype in zip(self.files, self.shapes, self.dtypes, strict=True):
            size = math.prod(shape) * dtype.itemsize
            content = os.pread(file, size, row * size)
            if len(content) != size:
                self._discard()
            parts.append(np.frombuffer(content, dtype).reshape(shape))
        if _checksum(parts) != self.checksums[row]:
            self._discard()
        return parts

    def _discard(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        raise DamagedRows(
            f"Cached features in {self.path} are damaged and were removed; continue the run with "
            "--resume, which computes them again."
        )


class CachedRows:
    """Rows of a cache, numbered from 0, each of one or several tensors.

    Attributes:
        shapes: Of one row's tensors.
        dtypes: Of the tensors.
        in_memory: Whether they were read into memory.
    """

    def __init__(self, places: Sequence[tuple[_Segment, int]], memory_budget: int) -> None:
        self._places = places
        first = places[0][0]
        self.shapes = first.shapes
        self.dtypes = first.dtypes
        self._rows: list[NDArray[Any]] | None = None
        self.in_memory = self.nbytes <= memory_budget
        if self.in_memory:
            self._rows = self._read(range(len(places)))

    @property
    def nbytes(self) -> int:
        """Bytes that all rows take, wherever they lie."""
        row = sum(
            math.prod(shape) * dtype.itemsize
            for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        )
        return row * len(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def tensors(self) -> list[TensorRows]:
        """Each tensor as rows that can be indexed with an integer array."""
        return [TensorRows(self, number) for number in range(len(self.shapes))]

    def take(self, indices: ArrayLike, tensor: int) -> NDArray[Any]:
        """A copy of one tensor's rows with these numbers.

        Raises:
            DamagedRows: A row is not what was written.
        """
        numbers = np.asarray(indices, np.intp)
        if self._rows is not None:
            return np.take(self._rows[tensor], numbers, axis=0)
        return self._read(numbers.tolist())[tensor]

    def _read(self, numbers: Sequence[int]) -> list[NDArray[Any]]:
        arrays = [
            np.empty((len(numbers), *shape), dtype)
            for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        ]
        for position, number in enumerate(numbers):
            segment, row = self._places[number]
            for array, part in zip(arrays, segment.read(row), strict=True):
                array[position] = part
        return arrays


class TensorRows:
    """One tensor of cached rows: what an input pipeline gathers from."""

    def __init__(self, rows: CachedRows, number: int) -> None:
        self._rows = rows
        self._number = number
        self.shape = (len(rows), *rows.shapes[number])
        self.dtype = rows.dtypes[number]
        self.in_memory = rows.in_memory
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: ArrayLike) -> NDArray[Any]:
        return self._rows.take(indices, self._number)


def row_identities(inputs: Sequence[Any]) -> list[str]:
    """A hash of each row's content, over all its tensors.

    Args:
        inputs: Tensors' rows, each indexable with an integer array, `(rows, ...)`. Those of a
            split never change, so each of them is read once.
    """
    if len(inputs) > 1 or not isinstance(inputs[0], Rows):
        return _identities(inputs)
    if inputs[0] not in _KNOWN:
        _KNOWN[inputs[0]] = _identities(inputs)
    return _KNOWN[inputs[0]]


def _identities(inputs: Sequence[Any]) -> list[str]:
    count = inputs[0].shape[0]
    layout = repr([(tuple(rows.shape[1:]), np.dtype(rows.dtype).name) for rows in inputs]).encode()
    hashers = [hashlib.sha256(layout) for _ in range(count)]
    for rows in inputs:
        for start in range(0, count, 32):
            numbers = np.arange(start, min(start + 32, count))
            for number, row in zip(numbers, np.ascontiguousarray(rows[numbers]), strict=True):
                hashers[number].update(row)
    return [hasher.hexdigest()[:32] for hasher in hashers]


def _checksum(parts: Sequence[NDArray[Any]]) -> int:
    value = 0
    for part in parts:
        value = zlib.crc32(np.ascontiguousarray(part).data, value)
    return value
