"""The shared cache folder: what lies in it, how large it may grow, and what leaves first."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfine.errors import ConfigError, RunError
from kfine.runs.files import read_json

ABOUT = "about.json"
# Features by trunk, and photos by size, each in folders of their own.
_KINDS = ("features", "images")
# Presets that were made of GGUF files.
PRESETS = "gguf"
_DEFAULT_LIMIT = 20.0


def cache_folder() -> Path:
    """Where features go, photos that are slow to decode, and inputs that do not fit into memory.

    The environment variable `KFINE_CACHE`, or where the platform keeps caches:
    `~/.cache/kfine` on Linux, `~/Library/Caches/kfine` on macOS.
    """
    from platformdirs import user_cache_path

    return Path(os.environ.get("KFINE_CACHE") or user_cache_path("kfine", appauthor=False))


def cache_limit() -> int:
    """Bytes that all features and photos together may take: `KFINE_CACHE_LIMIT` in GB, or 20.

    Raises:
        ConfigError: The variable is no positive number.
    """
    given = os.environ.get("KFINE_CACHE_LIMIT")
    try:
        limit = float(given) if given else _DEFAULT_LIMIT
    except ValueError:
        limit = -1.0
    if not 0 <= limit < math.inf:
        raise ConfigError(
            f"KFINE_CACHE_LIMIT is a number of gigabytes, such as 20. Received: {given!r}"
        )
    return int(limit * 1e9)


@dataclass(frozen=True)
class CacheEntry:
    """The features of one trunk, or the photos of one size.

    Attributes:
        path: Its folder.
        about: What `about.json` says: preset, cut, dtype and shapes; `images` of photos.
        size_bytes: Of all its files.
        rows: Examples, views counted apart.
        used: Seconds since the epoch when it was last used.
    """

    path: Path
    about: dict[str, Any]
    size_bytes: int
    rows: int
    used: float


def cache_entries() -> list[CacheEntry]:
    """All that is cached, the last used first."""
    found = []
    folders = (cache_folder() / kind for kind in _KINDS)
    for about in (path for folder in folders for path in folder.glob(f"*/{ABOUT}")):
        try:
            segments = [read_json(index) for index in about.parent.glob("segment-*/index.json")]
            found.append(
                CacheEntry(
                    path=about.parent,
                    about=read_json(about),
                    size_bytes=_size(about.parent),
                    # Two runs at once may both have written a row.
                    rows=len({one for segment in segments for one in segment["ids"]}),
                    used=about.stat().st_mtime,
                )
            )
        except Exception:  # another process may be removing it
            continue
    return sorted(found, key=lambda entry: -entry.used)


def clear_cache() -> int:
    """Remove all that is cached and return the bytes that it took."""
    size = 0
    for kind in (*_KINDS, PRESETS):
        size += _size(cache_folder() / kind)
        shutil.rmtree(cache_folder() / kind, ignore_errors=True)
    return size


def make_room(needed: int, keep: Sequence[Path]) -> bool:
    """Remove what was not used for the longest time until `needed` more bytes may be written.

    Args:
        needed: Bytes.
        keep: Folders in use, which stay.

    Returns:
        Whether there is room, under the limit and on the disk.

    Raises:
        RunError: The cache folder cannot be made.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot write {folder}: {os.strerror(error.errno or 0)}; set KFINE_CACHE to a folder "
            "that can be written."
        ) from None
    entries = cache_entries()
    kept = {path.resolve() for path in keep}
    total = sum(entry.size_bytes for entry in entries)
    limit = cache_limit()
    if needed + sum(e.size_bytes for e in entries if e.path.resolve() in kept) > limit:
        return False
    for entry in reversed(entries):
        enough_disk = shutil.disk_usage(folder).free > 1.05 * needed
        if total + needed <= limit and enough_disk:
            break
        if entry.path.resolve() not in kept:
            shutil.rmtree(entry.path, ignore_errors=True)
            total -= entry.size_bytes
    return shutil.disk_usage(folder).free > 1.05 * needed


def _size(folder: Path) -> int:
    size = 0
    for file in folder.rglob("*"):
        try:
            size += file.stat().st_size
        except OSError:  # removed meanwhile
            continue
    return size
