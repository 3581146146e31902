"""Rows come back as they were written, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from kfine.data.row_cache import CachedRows, DamagedRows, RowCache, row_identities
from kfine.errors import KfineError, RunError

IDS = [f"row{number}" for number in range(6)]
ACTIVATIONS = np.random.default_rng(0).normal(size=(6, 2, 3)).astype("float16")
MASKS = np.arange(24, dtype=np.int32).reshape(6, 4)
ROW_BYTES = 2 * 3 * 2 + 4 * 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "features"


def written(folder: Path) -> RowCache:
    """A cache of two segments of three rows."""
    cache = RowCache(folder)
    for part in (slice(0, 3), slice(3, 6)):
        cache.write(IDS[part], [ACTIVATIONS[part], MASKS[part]])
    return cache


def segment_of(folder: Path, identity: str) -> Path:
    for index in folder.glob("segment-*/index.json"):
        if identity in json.loads(index.read_text())["ids"]:
            return index.parent
    raise AssertionError(f"no segment holds {identity}")


def flip_a_byte(folder: Path, identity: str) -> Path:
    segment = segment_of(folder, identity)
    content = bytearray((segment / "0.bin").read_bytes())
    row = json.loads((segment / "index.json").read_text())["ids"].index(identity)
    content[row * 12 + 5] ^= 0x40
    (segment / "0.bin").write_bytes(content)
    return segment


def check(rows: CachedRows, order: list[int]) -> None:
    numbers = list(range(len(order)))
    activations, masks = rows.tensors()
    np.testing.assert_array_equal(activations[numbers], ACTIVATIONS[order])
    np.testing.assert_array_equal(masks[np.array(numbers)], MASKS[order])


@pytest.mark.parametrize(("budget", "in_memory"), [(10**6, True), (0, False)])
def test_rows_of_several_tensors_come_back_in_any_order_from_memory_and_disk(
    folder: Path, budget: int, in_memory: bool
) -> None:
    written(folder)
    cache = RowCache(folder)
    assert len(cache) == 6
    assert "row3" in cache and "row9" not in cache
    order = [5, 0, 3, 0, 4]
    rows = cache.rows([IDS[number] for number in order], budget)
    assert rows.in_memory is in_memory
    assert (rows.shapes, rows.dtypes) == (((2, 3), (4,)), (np.float16, np.int32))
    assert rows.nbytes == 5 * ROW_BYTES
    check(rows, order)
    activations, masks = rows.tensors()
    assert (activations.shape, masks.shape, len(masks)) == ((5, 2, 3), (5, 4), 5)
    assert (activations.dtype, masks.dtype) == (np.float16, np.int32)


def test_the_memory_budget_is_a_number_of_bytes(folder: Path) -> None:
    cache = written(folder)
    assert cache.rows(IDS, 6 * ROW_BYTES).in_memory
    assert not cache.rows(IDS, 6 * ROW_BYTES - 1).in_memory


def test_a_scalar_per_row_is_a_row(folder: Path) -> None:
    cache = RowCache(folder)
    cache.write(["a", "b"], [np.array([1.5, 2.5], np.float32)])
    np.testing.assert_array_equal(cache.rows(["b", "a"], 0).tensors()[0][[0, 1]], [2.5, 1.5])


@pytest.mark.parametrize("name", ["0.bin", "1.bin"])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_another_length_takes_its_segment_out(
    folder: Path, name: str, change: int
) -> None:
    written(folder)
    segment = segment_of(folder, "row4")
    os.truncate(segment / name, (segment / name).stat().st_size + change)
    cache = RowCache(folder)
    assert cache.damaged == 1
    assert [one for one in IDS if one in cache] == IDS[:3]
    assert not segment.exists()
    cache.write(IDS[3:], [ACTIVATIONS[3:], MASKS[3:]])
    check(RowCache(folder).rows(IDS, 0), [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"ids": ["row4"], "tensors": 3}'])
def test_a_missing_or_damaged_index_takes_its_segment_out(
    folder: Path, content: str | None
) -> None:
    written(folder)
    segment = segment_of(folder, "row4")
    (segment / "index.json").unlink()
    if content is not None:
        (segment / "index.json").write_text(content)
    cache = RowCache(folder)
    assert (cache.damaged, len(cache)) == (1, 3)
    assert not segment.exists()


def test_a_flipped_byte_is_noticed_when_the_rows_are_read_into_memory(folder: Path) -> None:
    written(folder)
    segment = flip_a_byte(folder, "row4")
    cache = RowCache(folder)
    with pytest.raises(DamagedRows, match="damaged and were removed"):
        cache.rows(IDS, 10**6)
    assert not segment.exists()
    assert len(RowCache(folder)) == 3


def test_a_flipped_byte_is_noticed_when_the_row_is_read_from_disk(folder: Path) -> None:
    written(folder)
    segment = flip_a_byte(folder, "row4")
    activations, masks = RowCache(folder).rows(IDS, 0).tensors()
    np.testing.assert_array_equal(activations[[3, 5]], ACTIVATIONS[[3, 5]])
    with pytest.raises(DamagedRows):
        masks[[3, 4]]
    assert not segment.exists()


def test_a_file_that_shrinks_while_it_is_in_use_is_noticed(folder: Path) -> None:
    cache = written(folder)
    rows = cache.rows(IDS, 0)
    os.truncate(segment_of(folder, "row4") / "0.bin", 12)
    with pytest.raises(DamagedRows):
        rows.take([5], 0)


def test_damage_is_a_mistake_that_can_be_mended_not_a_fault_of_the_program() -> None:
    assert issubclass(DamagedRows, KfineError)


def test_what_a_killed_process_left_half_written_does_not_count(folder: Path) -> None:
    written(folder)
    half = folder / ".tmp-abc"
    shutil.copytree(segment_of(folder, "row0"), half)
    index = half / "index.json"
    index.write_text(index.read_text().replace("row0", "other"))
    cache = RowCache(folder)
    assert (len(cache), cache.damaged) == (6, 0)
    assert "other" not in cache


def test_rows_stay_readable_when_another_process_clears_the_cache(folder: Path) -> None:
    rows = written(folder).rows(IDS, 0)
    shutil.rmtree(folder)
    check(rows, [0, 1, 2, 3, 4, 5])


def test_rows_that_another_process_wrote_meanwhile_are_not_written_twice(folder: Path) -> None:
    first, second = RowCache(folder), RowCache(folder)
    for cache in (first, second):
        cache.write(IDS, [ACTIVATIONS, MASKS])
        check(cache.rows(IDS, 0), [0, 1, 2, 3, 4, 5])
    assert len(list(folder.glob("segment-*"))) == 1


# Each round all processes write the same rows at the same time, and read them.
WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from kfine.data.row_cache import RowCache
folder, start = Path(sys.argv[1]), float(sys.argv[2])
time.sleep(max(0, start - time.time()))
for number in range(60):
    cache = RowCache(folder)
    ids = [f"{number}-{row}" for row in range(3)]
    cache.write(ids, [np.full((3, 5), number, "float32")])
    found = cache.rows(ids, 0).tensors()[0][[2, 0]]
    assert (found == number).all()
"""


def test_processes_that_write_the_same_rows_at_once_do_not_disturb_each_other(
    folder: Path,
) -> None:
    import time

    command = [sys.executable, "-c", WRITER, str(folder), str(time.time() + 1)]
    writers = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(3)
    ]
    errors = [writer.communicate(timeout=120)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], errors
    cache = RowCache(folder)
    assert (len(cache), cache.damaged) == (180, 0)


def test_threads_may_read_at_the_same_time(folder: Path) -> None:
    rows = written(folder).rows(IDS, 0)
    wrong: list[int] = []

    def read(number: int) -> None:
        for _ in range(50):
            if not np.array_equal(rows.take([number], 0)[0], ACTIVATIONS[number]):
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_cache_says_what_it_holds(folder: Path) -> None:
    cache = RowCache(folder)
    assert cache.about() == {}
    cache.describe({"preset": "tiny"})
    assert RowCache(folder).about() == {"preset": "tiny"}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = RowCache(tmp_path / "file" / "features")
    with pytest.raises(RunError, match=r"Cannot write .*file.features"):
        cache.write(IDS, [ACTIVATIONS])


def test_an_identity_is_a_hash_of_the_whole_row() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    before = row_identities([images])
    assert len(set(before)) == 5
    changed = images.copy()
    changed[3, 1, 2, 0] ^= 1
    assert [a == b for a, b in zip(before, row_identities([changed]), strict=True)] == [
        *[True] * 3,
        False,
        True,
    ]
    assert row_identities([images[::-1].copy()]) == before[::-1], "splits are index lists"
    assert row_identities([images.reshape(5, 2, 8, 3)])[0] != before[0]
    assert row_identities([images.view(np.int8)])[0] != before[0]


def test_an_identity_covers_every_tensor_of_an_example() -> None:
    ids, mask = np.arange(12).reshape(3, 4), np.ones((3, 4), np.int32)
    before = row_identities([ids, mask])
    mask[1, 3] = 0
    after = row_identities([ids, mask])
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_identities_come_in_pieces_and_are_the_same_on_every_machine() -> None:
    rows = np.arange(600, dtype="<i4").reshape(600, 1)
    found = row_identities([rows])
    assert len(found) == len(set(found)) == 600
    assert found[599] == row_identities([rows[599:]])[0]
    assert found[0] == "88aa5b304888a9ab9e0275544c6a0bea"
