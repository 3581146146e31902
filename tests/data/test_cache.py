"""The cache folder keeps to its limit, and what is in use stays."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from kfine.data.cache import (
    cache_entries,
    cache_folder,
    cache_limit,
    clear_cache,
    make_room,
)
from kfine.data.row_cache import RowCache
from kfine.errors import ConfigError, RunError

ROWS = np.zeros((10, 1000), np.float32)


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The feature folder of a cache of its own."""
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def fill(features: Path, name: str, used: float) -> Path:
    """A cache of 40 kB that was last used at a given time."""
    cache = RowCache(features / name)
    cache.describe({"preset": name})
    cache.write([f"{name}-{row}" for row in range(10)], [ROWS])
    os.utime(cache.folder / "about.json", (used, used))
    return cache.folder


def names() -> list[str]:
    return [entry.path.name for entry in cache_entries()]


def limit(monkeypatch: pytest.MonkeyPatch, size_bytes: float) -> None:
    monkeypatch.setenv("KFINE_CACHE_LIMIT", str(size_bytes / 1e9))


def test_entries_say_what_lies_there_the_last_used_first(features: Path) -> None:
    assert cache_entries() == []
    for name, used in (("b", 2000.0), ("a", 1000.0), ("c", 3000.0)):
        fill(features, name, used)
    assert names() == ["c", "b", "a"]
    entry = cache_entries()[0]
    assert (entry.about, entry.rows, entry.used) == ({"preset": "c"}, 10, 3000.0)
    files = [file for file in entry.path.rglob("*") if file.is_file()]
    assert 40_000 < sum(file.stat().st_size for file in files) <= entry.size_bytes < 60_000


def test_using_a_cache_again_moves_it_to_the_front(features: Path) -> None:
    for name in ("a", "b"):
        fill(features, name, 1000.0)
    RowCache(features / "b").describe({"preset": "b"})
    assert names() == ["b", "a"]


def test_the_least_recently_used_leave_first(
    features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for used, name in enumerate("abcd"):
        fill(features, name, 1000.0 + used)
    limit(monkeypatch, 220_000)
    assert make_room(40_000, [])
    assert names() == ["d", "c", "b", "a"], "there was room already"
    assert make_room(100_000, [])
    assert names() == ["d", "c"]


def test_folders_in_use_stay(features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [fill(features, name, 1000.0 + used) for used, name in enumerate("abc")][:1]
    limit(monkeypatch, 150_000)
    assert make_room(50_000, kept)
    assert names() == ["c", "a"], "b is older than c, and a is in use"
    assert kept[0].is_dir()


def test_what_can_never_fit_is_refused_and_nothing_is_removed_for_it(
    features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [fill(features, name, 1000.0) for name in "ab"]
    limit(monkeypatch, 120_000)
    assert not make_room(121_000, [])
    assert not make_room(50_000, kept), "the folders in use leave too little"
    assert sorted(names()) == ["a", "b"]


def test_more_than_the_disk_has_is_refused(features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 1e18)
    assert not make_room(10**17, [])


def test_a_place_that_cannot_be_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "file"))
    assert cache_entries() == []
    with pytest.raises(RunError, match=r"Cannot write .*/file: File exists; set KFINE_CACHE"):
        make_room(1, [])


def test_clearing_removes_the_features_and_nothing_else(features: Path) -> None:
    fill(features, "a", 1000.0)
    beside = cache_folder() / "something else"
    beside.write_text("stays")
    assert clear_cache() > 40_000
    assert cache_entries() == []
    assert beside.exists()
    assert clear_cache() == 0


def test_a_damaged_entry_does_not_stop_the_others_from_being_listed(features: Path) -> None:
    fill(features, "a", 1000.0)
    damaged = fill(features, "b", 2000.0)
    (damaged / "about.json").write_text("{")
    assert "a" in names()


def test_the_limit_is_in_gigabytes_and_twenty_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KFINE_CACHE_LIMIT", raising=False)
    assert cache_limit() == 20_000_000_000
    monkeypatch.setenv("KFINE_CACHE_LIMIT", "0.5")
    assert cache_limit() == 500_000_000
    monkeypatch.setenv("KFINE_CACHE_LIMIT", "0")
    assert cache_limit() == 0


@pytest.mark.parametrize("value", ["much", "-1", "nan", "20 GB", "inf"])
def test_a_limit_that_is_no_size_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("KFINE_CACHE_LIMIT", value)
    with pytest.raises(ConfigError, match=rf"number of gigabytes.* Received: '{value}'"):
        cache_limit()


def test_the_cache_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("KFINE_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "kfine"
