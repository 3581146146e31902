"""One pass of examples through a frozen trunk, its features written to the cache."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kfine.console import Console, format_bytes, format_seconds
from kfine.data.cache import ABOUT, cache_folder, make_room
from kfine.data.pipeline import gather
from kfine.data.row_cache import RowCache
from kfine.errors import RunError
from kfine.models.cutting import Cut, feature_dtype, joined_trunk
from kfine.runs.files import read_json

# Always the same rows go through the trunk together, whatever is cached already: on another
# batch the last bits of an activation may differ.
BLOCK = 32
# Rounding to float16 moves a row of activations by 0.0003 of its length.
FLOAT16_TOLERANCE = 1e-3
_SEGMENT_BYTES = 64e6
_SEGMENT_SECONDS = 30


class NoRoom(Exception):
    """Why features cannot be written; training goes on without them."""


class _TooCoarse(Exception):
    """Activations that float16 cannot hold, met after the first block."""


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


@dataclass(frozen=True)
class Request:
    """Examples whose features are wanted.

    Attributes:
        inputs: Rows of raw inputs, or a structure of them.
        rows: `(count,)` int64, rows of `inputs`.
        identities: What the features of each are found by.
        prepare: From a batch of raw inputs to the trunk's.
        augment: From a float32 batch and an int32 `(2,)` seed to an augmented batch, or `None`.
        seeds: `(count, 2)` int32, a seed for each; only with `augment`.
    """

    inputs: Any
    rows: np.ndarray
    identities: Sequence[str]
    prepare: Callable[[Any], Any] | None
    augment: Callable[[Any, Any], Any] | None = None
    seeds: np.ndarray | None = None

    def blocks(self) -> list[range]:
        """Positions of the rows that go through the trunk together."""
        count = len(self.rows)
        return [range(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]

    def batches(self, blocks: Sequence[range]) -> Iterator[Any]:
        """The trunk's input for each block."""
        import tensorflow as tf

        positions = np.array([position for block in blocks for position in block], np.int64)
        if self.augment is None:
            # A generator, since the last block of a request may be shorter than the others.
            dataset = tf.data.Dataset.from_generator(
                lambda: (self.rows[list(block)] for block in blocks),
                output_signature=tf.TensorSpec((None,), tf.int64),
            ).map(self._load, num_parallel_calls=2, deterministic=True)
        else:
            assert self.seeds is not None
            examples = tf.data.Dataset.from_tensor_slices(
                (self.rows[positions], self.seeds[positions])
            )
            dataset = examples.map(self._view, num_parallel_calls=2, deterministic=True)
            dataset = dataset.batch(BLOCK)
        yield from dataset.prefetch(2)

    def _load(self, rows: Any) -> Any:
        found = gather(self.inputs, rows)
        return self.prepare(found) if self.prepare else found

    def _view(self, row: Any, seed: Any) -> Any:
        """One example, augmented with its own seed: a view depends on nothing but that."""
        assert self.augment is not None
        found = self.augment(gather(self.inputs, row[None]), seed)
        prepared = self.prepare(found) if self.prepare else found
        return keras.tree.map_structure(lambda tensor: tensor[0], prepared)


def fill(
    trunks: Sequence[Trunk], requests: Sequence[Request], what: str, console: Console
) -> float | None:
    """Compute and write the features that are not in the caches of the trunks yet.

    Args:
        trunks: Of the same model; one pass serves all.
        requests: The examples.
        what: For the user: of what these are the features.
        console: Hears of the size, the time and the progress.

    Returns:
        Seconds per example, or `None` where everything was there.

    Raises:
        NoRoom: The features do not fit, or the disk cannot be written; what was written stays.
    """
    missing = [
        (request, block)
        for request in requests
        for block in request.blocks()
        if not all(t.holds(request.identities[i]) for t in trunks for i in block)
    ]
    if not missing:
        for trunk in trunks:
            assert trunk.cache is not None
            with suppress(RunError):  # a cache that can only be read is as good
                trunk.cache.describe(trunk.about)
        return None
    try:
        return _compute(trunks, missing, what, console)
    except RunError as error:
        raise NoRoom(str(error).rstrip(".")) from None
    except _TooCoarse:
        for trunk in trunks:
            trunk.widen()
        return fill(trunks, requests, what, console)


def _compute(
    trunks: Sequence[Trunk],
    missing: Sequence[tuple[Request, range]],
    what: str,
    console: Console,
) -> float:
    model = joined_trunk([trunk.cut for trunk in trunks])
    writers = [_Writer(trunk) for trunk in trunks]
    total = sum(len(block) for _, block in missing)
    progress = console.count(f"computing {what}")
    start, pace, done = time.monotonic(), 0.0, 0
    try:
        for number, (request, block, batch) in enumerate(_batches(missing)):
            features = _divided(model.predict_on_batch(batch), trunks)
            seconds = time.monotonic() - start
            if number == 0:
                # Mostly tracing; the pace shows from the second block on.
                _begin(trunks, features, total)
                start, pace = time.monotonic(), seconds / len(block)
            else:
                pace = seconds / (done + len(block) - len(missing[0][1]))
            if number == min(1, len(missing) - 1):
                console.say(_announcement(trunks, what, total, pace))
            identities = [request.identities[position] for position in block]
            for writer, found in zip(writers, features, strict=True):
                writer.add(identities, found)
            done += len(block)
            progress(done, total)
    except BaseException:
        # What an interrupted pass computed is there for the run that resumes it.
        with suppress(RunError):
            _flush(writers)
        raise
    _flush(writers)
    for trunk in trunks:
        assert trunk.cache is not None
        trunk.about["seconds_per_example"] = round(pace, 6)
        trunk.cache.describe(trunk.about)
        if trunk.about.get("too_coarse"):
            console.warn(f"float16 is too coarse for some of the {what}; float32 is not")
    return pace


def _announcement(trunks: Sequence[Trunk], what: str, total: int, pace: float) -> str:
    size = format_bytes(total * sum(_row_bytes(trunk) for trunk in trunks))
    floats = " and ".join(sorted({trunk.floats for trunk in trunks}))
    return f"{what}: {size} in {floats}, {format_seconds(pace * total)} to compute once"


def _batches(missing: Sequence[tuple[Request, range]]) -> Iterator[tuple[Request, range, Any]]:
    for request in dict.fromkeys(id(request) for request, _ in missing):
        mine = [(owner, block) for owner, block in missing if id(owner) == request]
        blocks = [block for _, block in mine]
        for block, batch in zip(blocks, mine[0][0].batches(blocks), strict=True):
            yield mine[0][0], block, batch


def _divided(features: Any, trunks: Sequence[Trunk]) -> list[list[np.ndarray]]:
    """Each trunk's features."""
    flat = iter(keras.tree.flatten(features))
    return [[next(flat) for _ in trunk.cut.trunk.outputs] for trunk in trunks]


def _begin(trunks: Sequence[Trunk], features: Sequence[Sequence[np.ndarray]], rows: int) -> None:
    """Choose dtypes by the first features, and make room for all."""
    for trunk, found in zip(trunks, features, strict=True):
        if trunk.cache is None:
            trunk.open("float16" if float16_is_enough(found) else "float32")
        trunk.about["shapes"] = [list(one.shape[1:]) for one in found]
    needed = rows * sum(_row_bytes(trunk) for trunk in trunks)
    if not make_room(needed, [trunk.cache.folder for trunk in trunks if trunk.cache]):
        raise NoRoom(
            f"{format_bytes(needed)} of features do not fit into {cache_folder()} "
            "(free space, or KFINE_CACHE_LIMIT)"
        )


def _row_bytes(trunk: Trunk) -> int:
    return sum(
        int(np.prod(shape)) * dtype.itemsize
        for shape, dtype in zip(trunk.about["shapes"], trunk.dtypes(), strict=True)
    )


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


class _Writer:
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
        new: dict[str, int] = {}
        for position, identity in enumerate(identities):
            if not self.trunk.holds(identity) and identity not in self._identities:
                new.setdefault(identity, position)
        trunk = self.trunk
        if trunk.floats == "float16" and not float16_is_enough(features):
            if trunk.precision == "auto":
                raise _TooCoarse
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
        if self._identities:
            assert self.trunk.cache is not None
            self.trunk.cache.describe(self.trunk.about)
            tensors = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
            self.trunk.cache.write(list(self._identities), tensors)
        self._clear()


def _flush(writers: Sequence[_Writer]) -> None:
    for writer in writers:
        writer.flush()
