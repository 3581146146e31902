"""A frozen trunk and the cache of what it gives."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kfine.data.cache import ABOUT, cache_folder
from kfine.data.row_cache import RowCache
from kfine.errors import RunError
from kfine.models.cutting import Cut, feature_dtype
from kfine.runs.files import read_json

# Rounding to float16 moves a row of activations by 0.0003 of its length.
FLOAT16_TOLERANCE = 1e-3
_SEGMENT_BYTES = 256e6
# What a killed pass loses at most; each segment keeps its files open.
_SEGMENT_SECONDS = 60


@dataclass
class Trunk:
    """A trunk and the cache of its features.

    Attributes:
        cut: The cut model.
        key: Hash of everything that the features depend on, apart from the example.
        precision: "float16", "float32", or "auto": float16 unless that is too coarse.
        about: What the cache says of itself.
        floats: "float16" or "float32", once known.
        cache: The cache, once that is known.
    """

    cut: Cut
    key: str
    precision: str
    about: dict[str, Any] = field(default_factory=dict)
    floats: str = ""
    cache: RowCache | None = None

    def __post_init__(self) -> None:
        known = ("float16", "float32") if self.precision == "auto" else (self.precision,)
        if self.precision == "auto" and self._is_forced():
            self.open("float32")
            return
        found = [dtype for dtype in known if self._folder(dtype).is_dir()]
        if found or self.precision != "auto":
            self.open(found[0] if found else self.precision)

    def open(self, dtype: str) -> None:
        """Open the cache that holds activations as `dtype`."""
        self.floats = dtype
        self.cache = RowCache(self._folder(dtype))
        self.about = {**self.cache.about(), **self.about, "dtype": dtype}

    def widen(self) -> None:
        """Go over from float16 to float32, and drop what was written as float16."""
        shutil.rmtree(self._folder("float16"), ignore_errors=True)
        self.open("float32")

    def holds(self, identity: str) -> bool:
        """Whether the features of an example are there."""
        return self.cache is not None and identity in self.cache

    def dtypes(self) -> list[np.dtype[Any]]:
        """What each feature is stored as."""
        return [feature_dtype(tensor.dtype, self.floats) for tensor in self.cut.trunk.outputs]

    def _is_forced(self) -> bool:
        """Whether the float16 cache holds what float16 is too coarse for, at a user's wish."""
        try:
            return bool(read_json(self._folder("float16") / ABOUT).get("too_coarse"))
        except RunError:
            return False

    def _folder(self, dtype: str) -> Any:
        return cache_folder() / "features" / f"{self.key}-{dtype}"

    def row_bytes(self) -> int:
        """Bytes of one example's features; known after the first of them."""
        return sum(
            int(np.prod(shape)) * dtype.itemsize
            for shape, dtype in zip(self.about["shapes"], self.dtypes(), strict=True)
        )


class TooCoarse(Exception):
    """Activations that float16 cannot hold, met after the first block."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__("float16 is too coarse")
        self.trunk = trunk


def float16_is_enough(features: Sequence[np.ndarray]) -> bool:
    """Whether float16 keeps every row of activations within `FLOAT16_TOLERANCE` of its length."""
    for feature in features:
        if feature.dtype.kind != "f":
            continue
        rows = feature.reshape(len(feature), -1).astype(np.float64)
        with np.errstate(over="ignore"):
            error = np.linalg.norm(rows.astype(np.float16) - rows, axis=1)
        if not (error <= FLOAT16_TOLERANCE * np.linalg.norm(rows, axis=1)).all():
            return False
    return True


class TrunkWriter:
    """Collects rows of one trunk and writes them in segments."""

    def __init__(self, trunk: Trunk) -> None:
        self.trunk = trunk
        self._clear()

    def _clear(self) -> None:
        self._identities: dict[str, None] = {}
        self._parts: list[list[np.ndarray]] = []
        self._bytes = 0
        self._since = time.monotonic()

    def add(self, identities: Sequence[str], features: Sequence[np.ndarray]) -> None:
        """Take the rows that the cache has not got yet.

        Raises:
            TooCoarse: float16 was chosen by itself and does not hold these.
            RunError: The disk cannot be written.
        """
        new: dict[str, int] = {}
        for position, identity in enumerate(identities):
            if not self.trunk.holds(identity) and identity not in self._identities:
                new.setdefault(identity, position)
        trunk = self.trunk
        if trunk.floats == "float16" and not float16_is_enough(features):
            if trunk.precision == "auto":
                raise TooCoarse(trunk)
            trunk.about["too_coarse"] = True
        chosen = list(new.values())
        with np.errstate(over="ignore"):
            parts = [
                feature[chosen].astype(dtype)
                for feature, dtype in zip(features, trunk.dtypes(), strict=True)
            ]
        self._identities |= dict.fromkeys(new)
        self._parts.append(parts)
        self._bytes += sum(part.nbytes for part in parts)
        if self._bytes > _SEGMENT_BYTES or time.monotonic() - self._since > _SEGMENT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was collected as one segment."""
        if self._identities:
            assert self.trunk.cache is not None
            self.trunk.cache.describe(self.trunk.about)
            tensors = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
            self.trunk.cache.write(list(self._identities), tensors)
        self._clear()
