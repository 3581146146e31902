from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kfine.data.records import Record
from kfine.data.sources import read_source
from kfine.data.store import open_rows
from kfine.errors import DataError
from kfine.inputs.image.decoding import decode_all, decode_images, load_record
from kfine.inputs.image.pixels import decode_image, resize_image

MakeFolder = Callable[..., Path]


def test_rows_hold_the_resized_images_in_order(photo_folder: MakeFolder, tmp_path: Path) -> None:
    records = read_source(str(photo_folder({"a": 5, "b": 5}))).records
    calls: list[tuple[int, int]] = []
    images = decode_images(
        records,
        (20, 30),
        memory_budget=0,
        cache_folder=tmp_path,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(number, 10) for number in range(1, 11)]
    for row, record in enumerate(records):
        assert record.path is not None
        wanted = resize_image(decode_image(record.path), (20, 30))
        np.testing.assert_array_equal(images.store[row], wanted)
        assert images.digests[row] == hashlib.sha256(record.path.read_bytes()).hexdigest()


def test_a_full_disk_is_not_taken_for_a_broken_image(
    photo_folder: MakeFolder, tmp_path: Path
) -> None:
    records = read_source(str(photo_folder({"a": 2, "b": 2}))).records
    rows = open_rows(4, (8, 8, 3), np.uint8, memory_budget=0, folder=tmp_path)
    with open("/dev/full", "wb", buffering=0) as full:
        rows._file, file = full, rows._file  # type: ignore[attr-defined]
        file.close()
        with pytest.raises(DataError, match="cannot be written to /dev/full: No space left"):
            decode_all(records, rows)


def test_a_record_needs_some_content() -> None:
    with pytest.raises(DataError, match="no content"):
        load_record(Record("x", "a"))


def test_ctrl_c_does_not_wait_for_the_rest(tmp_path: Path) -> None:
    read: list[int] = []

    def content() -> bytes:
        read.append(1)
        return b"x"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    records = [Record(str(number), "a", content=content) for number in range(20_000)]
    rows = open_rows(20_000, (1, 1, 3), np.uint8, memory_budget=10**6, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        decode_all(records, rows, progress=stop)
    assert len(read) < 20_000
