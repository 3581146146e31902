"""Decode every example once, with threads, into rows of one size."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kfine.data.files import content_of
from kfine.data.records import Image, Progress, Record, SetAside
from kfine.data.store import RowStore, open_rows
from kfine.data.threads import decoding_threads
from kfine.errors import DataError
from kfine.inputs.image.pixels import decode_image, resize_image

if TYPE_CHECKING:
    from kfine.inputs.image.kept import KeptImages

# Of an image that is nearly black all levels are below, of one that is nearly white above.
_BLACK, _WHITE = 8, 247


@dataclass(frozen=True)
class Decoded:
    """What became of one record.

    Attributes:
        digest: Its content's SHA-256.
        reason: Why it cannot be used.
        flat: Whether it is nearly black or nearly white all over.
    """

    digest: str = ""
    reason: str = ""
    flat: bool = False


def load_record(record: Record, white: float | None = None) -> tuple[Image, str]:
    """Read one example.

    Args:
        record: The example.
        white: As in `decode_image`.

    Returns:
        The image, uint8 RGB `(height, width, 3)` at its original size, and the SHA-256 of its
        encoded content (of the pixels, where there is no encoded content).

    Raises:
        DataError: A short reason without the name.
    """
    if record.array is not None:
        return record.array, hashlib.sha256(record.array.tobytes()).hexdigest()
    content = content_of(record)
    return decode_image(content, white), hashlib.sha256(content).hexdigest()


def _resized(
    record: Record, size: tuple[int, int], kept: KeptImages | None, white: float | None
) -> tuple[Image, str]:
    """As `load_record`, at the size that is wanted; where it is kept, it is not decoded."""
    if kept is None or record.array is not None:
        image, digest = load_record(record, white)
        return resize_image(image, size), digest
    content = content_of(record)
    digest = hashlib.sha256(content).hexdigest()
    found = kept.find(digest)
    if found is None:
        start = time.thread_time()
        found = resize_image(decode_image(content, white), size)
        kept.add(digest, found, time.thread_time() - start)
    return found, digest


def decode_all(
    records: Sequence[Record],
    rows: RowStore,
    *,
    kept: KeptImages | None = None,
    white: float | None = None,
    progress: Progress | None = None,
) -> list[Decoded]:
    """Fill row i with record i, resized to the rows' size; what cannot be read leaves zeros.

    Args:
        records: The examples.
        rows: uint8, `(len(records), height, width, 3)`.
        kept: Photos of that size from earlier runs, and where new ones go.
        white: As in `decode_image`.
        progress: Called in the calling thread with (done, total) after each example.

    Returns:
        What became of each record.

    Raises:
        DataError: The rows cannot be written (a full disk).
    """
    size = (rows.shape[1], rows.shape[2])

    def decode(number: int) -> Decoded:
        try:
            image, digest = _resized(records[number], size, kept, white)
        except DataError as error:
            return Decoded(reason=str(error))
        rows[number] = image
        return Decoded(digest, flat=bool(image.max() < _BLACK or image.min() > _WHITE))

    results = []
    try:
        with decoding_threads() as pool:
            for result in pool.map(decode, range(len(records))):
                results.append(result)
                if progress is not None:
                    progress(len(results), len(records))
    finally:
        if kept is not None:
            kept.close()
    return results


@dataclass
class DecodedImages:
    """What could be decoded, and what could not.

    Attributes:
        store: All rows, also those of examples that could not be decoded.
        records: The examples that could.
        digests: Their content hashes.
        rows: Their rows in the store.
        set_aside: The examples that could not.
        flat: Names of those that are nearly black or nearly white all over.
    """

    store: RowStore
    records: list[Record] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    flat: list[str] = field(default_factory=list)


def decode_images(
    records: Sequence[Record],
    image_size: tuple[int, int],
    *,
    memory_budget: int,
    cache_folder: Path,
    kept: KeptImages | None = None,
    white: float | None = None,
    progress: Progress | None = None,
) -> DecodedImages:
    """Decode and resize all examples, and sort out those that cannot be.

    Args:
        records: The examples.
        image_size: Height and width in pixels.
        memory_budget: Bytes of rows that may lie in memory; more go to a file.
        cache_folder: Where that file lies.
        kept: Photos of that size from earlier runs, and where new ones go.
        white: As in `decode_image`.
        progress: As in `decode_all`.

    Raises:
        DataError: There is no room for the rows.
    """
    store = open_rows(
        len(records), (*image_size, 3), np.uint8, memory_budget=memory_budget, folder=cache_folder
    )
    images = DecodedImages(store)
    decoded = decode_all(records, store, kept=kept, white=white, progress=progress)
    for row, result in enumerate(decoded):
        record = records[row]
        if result.reason:
            images.set_aside.append(SetAside(record.name, record.split, result.reason))
        else:
            images.records.append(record)
            images.digests.append(result.digest)
            images.rows.append(row)
            if result.flat:
                images.flat.append(record.name)
    return images
