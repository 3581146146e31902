"""Files below a folder, and how many examples are read at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kfine.data.files import is_clutter
from kfine.data.tables import SUFFIXES

AT_ONCE = 32


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder in the order of their paths, without hidden and system files."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    yield from (path for path in found if not any(map(is_clutter, path.relative_to(folder).parts)))


def is_list(example: str) -> bool:
    """Whether one argument stands for many examples: a folder, a table, or standard input."""
    path = Path(example)
    return example == "-" or path.suffix.lower() in SUFFIXES or path.is_dir()
