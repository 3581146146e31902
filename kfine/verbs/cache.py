"""`cache`: what the shared cache holds, and an empty one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kfine.data.cache import cache_entries, clear_cache


def list_cache() -> list[dict[str, Any]]:
    """Features by trunk and photos by size, the last used first: content, examples, bytes."""
    return [
        {
            "holds": _holds(entry.about),
            "preset": entry.about.get("preset") or "",
            "augmented": "yes" if entry.about.get("views") else "no",
            "dtype": entry.about.get("dtype", ""),
            "rows": entry.rows,
            "bytes": entry.size_bytes,
            "used": datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M"),
            "folder": str(entry.path),
        }
        for entry in cache_entries()
    ]


def _holds(about: dict[str, Any]) -> str:
    if "images" in about:
        return f"photos, {about['images']}"
    return f"features before {about.get('cut', '')}"


def empty_cache() -> int:
    """Remove all that is cached and return the bytes that it took."""
    return clear_cache()
