"""`cache`: what the feature cache holds, and an empty one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kfine.data.cache import cache_entries, clear_cache


def list_cache() -> list[dict[str, Any]]:
    """The cached features by trunk, the last used first: preset, cut, examples, size in bytes."""
    return [
        {
            "preset": entry.about.get("preset") or "",
            "features before": entry.about.get("cut", ""),
            "augmented": "yes" if entry.about.get("views") else "no",
            "dtype": entry.about.get("dtype", ""),
            "rows": entry.rows,
            "bytes": entry.size_bytes,
            "used": datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M"),
            "folder": str(entry.path),
        }
        for entry in cache_entries()
    ]


def empty_cache() -> int:
    """Remove all cached features and return the bytes that they took."""
    return clear_cache()
