"""One pass of examples through a frozen trunk, its features written to the cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from kfine.console import Console, format_bytes, format_seconds
from kfine.data.cache import cache_folder, make_room
from kfine.data.lengths import Lengths, by_length, padded
from kfine.data.pipeline import load, mapped_ahead
from kfine.errors import RunError
from kfine.models.cutting import joined_trunk
from kfine.models.forward import forward_of
from kfine.training.trunk import TooCoarse, Trunk, TrunkWriter, float16_is_enough

# Always the same rows go through the trunk together, whatever is cached already: on another
# batch the last bits of an activation may differ.
BLOCK = 32


class NoRoom(Exception):
    """Why features cannot be written; training goes on without them."""


@dataclass(frozen=True)
class Request:
    """Examples whose features are wanted.

    Attributes:
        inputs: Rows of raw inputs, or a structure of them.
        rows: `(count,)` int64, rows of `inputs`.
        identities: What the features of each are found by.
        prepare: From a batch of raw inputs to the trunk's.
        augment: As that of `Batches`, of targets that do not move; or `None`.
        seeds: `(count, 2)` int32, a seed for each; only with `augment`.
        lengths: How far all rows of `inputs` reach, where they are padded sequences; not with
            `augment`.
    """

    inputs: Any
    rows: np.ndarray
    identities: Sequence[str]
    prepare: Callable[[Any], Any] | None
    augment: Callable[[Any, Any, Any], tuple[Any, Any]] | None = None
    seeds: np.ndarray | None = None
    lengths: Lengths | None = None

    def blocks(self) -> list[list[int]]:
        """Positions of the rows that go through the trunk together, those of like length."""
        order = range(len(self.rows))
        if self.lengths is not None:
            order = by_length(replace(self.lengths, used=self.lengths.used[self.rows])).tolist()
        return [list(order[start : start + BLOCK]) for start in range(0, len(order), BLOCK)]

    def batches(self, blocks: Sequence[Sequence[int]]) -> Iterator[Any]:
        """The trunk's input for each block."""
        import tensorflow as tf

        positions = np.array([position for block in blocks for position in block], np.int64)
        if self.augment is None:
            # Ragged, since the last block of a request may be shorter than the others.
            rows = tf.RaggedTensor.from_row_lengths(
                self.rows[positions], [len(block) for block in blocks]
            )
            yield from mapped_ahead(tf.data.Dataset.from_tensor_slices(rows), self._load)
        else:
            assert self.seeds is not None
            examples = tf.data.Dataset.from_tensor_slices(
                (self.rows[positions], self.seeds[positions])
            )
            yield from mapped_ahead(examples, self._view, batch_size=BLOCK)

    def _load(self, rows: Any) -> Any:
        found = load(self.inputs, rows, self.lengths)
        return self.prepare(found) if self.prepare else found

    def _view(self, row: Any, seed: Any) -> Any:
        """One example, augmented with its own seed: a view depends on nothing but that."""
        assert self.augment is not None
        found, _ = self.augment(load(self.inputs, row[None], None), None, seed)
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
    except TooCoarse as found:
        found.trunk.widen()
        return fill(trunks, requests, what, console)


def _compute(
    trunks: Sequence[Trunk],
    missing: Sequence[tuple[Request, Sequence[int]]],
    what: str,
    console: Console,
) -> float:
    model = joined_trunk([trunk.cut for trunk in trunks])
    writers = [TrunkWriter(trunk) for trunk in trunks]
    total = sum(len(block) for _, block in missing)
    progress = console.count(f"computing {what}")
    # What is rounded to float16 need not be exact to the last bit.
    call = forward_of(model, exact=any(trunk.floats == "float32" for trunk in trunks))
    start, pace, done = time.monotonic(), 0.0, 0
    try:
        for number, (request, block, batch) in enumerate(_batches(missing)):
            features = _divided(call(batch), trunks, request)
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
    size = format_bytes(total * sum(trunk.row_bytes() for trunk in trunks))
    floats = " and ".join(sorted({trunk.floats for trunk in trunks}))
    return f"{what}: {size} in {floats}, {format_seconds(pace * total)} to compute once"


def _batches(
    missing: Sequence[tuple[Request, Sequence[int]]],
) -> Iterator[tuple[Request, Sequence[int], Any]]:
    for request in dict.fromkeys(id(request) for request, _ in missing):
        mine = [(owner, block) for owner, block in missing if id(owner) == request]
        blocks = [block for _, block in mine]
        for block, batch in zip(blocks, mine[0][0].batches(blocks), strict=True):
            yield mine[0][0], block, batch


def _divided(features: Any, trunks: Sequence[Trunk], request: Request) -> list[list[np.ndarray]]:
    """Each trunk's features, of the length that all rows are stored with."""
    flat = iter([np.asarray(one) for one in keras.tree.flatten(features)])
    return [
        [_stored(next(flat), tensor, request) for tensor in trunk.cut.trunk.outputs]
        for trunk in trunks
    ]


def _stored(feature: np.ndarray, tensor: Any, request: Request) -> np.ndarray:
    if request.lengths is None or not has_positions(tensor):
        return feature
    return padded(feature, keras.tree.flatten(request.inputs)[0].shape[1])


def has_positions(tensor: Any) -> bool:
    """Whether the second axis of a trunk's output is as long as its input is."""
    return len(tensor.shape) > 1 and tensor.shape[1] is None


def _begin(trunks: Sequence[Trunk], features: Sequence[Sequence[np.ndarray]], rows: int) -> None:
    """Choose dtypes by the first features, and make room for all."""
    for trunk, found in zip(trunks, features, strict=True):
        if trunk.cache is None:
            trunk.open("float16" if float16_is_enough(found) else "float32")
        trunk.about["shapes"] = [list(one.shape[1:]) for one in found]
    needed = rows * sum(trunk.row_bytes() for trunk in trunks)
    if not make_room(needed, [trunk.cache.folder for trunk in trunks if trunk.cache]):
        raise NoRoom(
            f"{format_bytes(needed)} of features do not fit into {cache_folder()} "
            "(free space, or KFINE_CACHE_LIMIT)"
        )


def _flush(writers: Sequence[TrunkWriter]) -> None:
    for writer in writers:
        writer.flush()
