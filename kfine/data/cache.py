"""The shared cache folder."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where decoded inputs go that do not fit into memory.

    The environment variable `KFINE_CACHE`, or `~/.cache/kfine`.
    """
    return Path(os.environ.get("KFINE_CACHE") or Path.home() / ".cache" / "kfine")
