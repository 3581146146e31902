from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kfine.data.store import open_rows
from kfine.errors import DataError


@pytest.mark.parametrize(("budget", "in_memory"), [(1200, True), (1199, False)])
def test_rows_come_back_from_memory_and_from_disk(
    tmp_path: Path, budget: int, in_memory: bool
) -> None:
    rows = open_rows(100, (2, 3), np.uint16, memory_budget=budget, folder=tmp_path / "cache")
    assert rows.in_memory is in_memory
    assert (rows.shape, rows.nbytes, len(rows)) == ((100, 2, 3), 1200, 100)
    assert rows.dtype == np.uint16
    values = np.arange(600, dtype=np.uint16).reshape(100, 2, 3)
    for number in reversed(range(100)):
        rows[number] = values[number]
    for indices in ([5, 2, 5, 99], [-1], [], range(100), 7, [[1, 2], [3, 4]]):
        np.testing.assert_array_equal(rows[indices], values[np.asarray(indices, int)])
    rows[[3]][:] = 0
    np.testing.assert_array_equal(rows[3], values[3])
    for number in (100, -101):
        with pytest.raises(IndexError):
            rows[[number]]
    with pytest.raises(IndexError):
        rows[100] = values[0]
    rows.close()


def test_the_file_has_no_name_that_could_be_left_behind(tmp_path: Path) -> None:
    rows = open_rows(10, (10,), np.float32, memory_budget=0, folder=tmp_path)
    rows[3] = np.ones(10)
    assert list(tmp_path.iterdir()) == []
    rows.close()


def test_rows_in_memory_leave_the_folder_alone(tmp_path: Path) -> None:
    open_rows(10, (10,), np.float32, memory_budget=400, folder=tmp_path / "cache").close()
    assert not (tmp_path / "cache").exists()


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from kfine.data.store import open_rows
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = open_rows(300, (1000, 1000), np.uint8, memory_budget=0, folder=Path(sys.argv[1]))
for number in range(300):
    rows[number] = np.full((1000, 1000), number % 251, np.uint8)
assert all(rows[number][0, 0] == number % 251 for number in range(300))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_rows_on_disk_do_not_fill_the_memory(tmp_path: Path) -> None:
    # In a process of its own: the peak of this one may be far above already.
    output = subprocess.check_output(
        [sys.executable, "-c", MEMORY, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    kilobytes = int(output) // (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 50_000


def test_a_disk_without_room_is_refused_before_writing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"need \d+\.\d GB and .* left"):
        open_rows(10**9, (1000, 1000), np.uint8, memory_budget=0, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written to .*file"):
        open_rows(10, (10,), np.uint8, memory_budget=0, folder=tmp_path / "file" / "cache")
