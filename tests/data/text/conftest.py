from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

WriteTable = Callable[..., Path]

GOOD = ["a joy from start to end", "sharp and moving", "worth every minute", "a small wonder"]
BAD = ["a waste of time", "dull and far too long", "nobody should see this", "lifeless"]
REVIEWS = [(text, "good") for text in GOOD] + [(text, "bad") for text in BAD]


@pytest.fixture
def reviews() -> list[tuple[str, str]]:
    """Eight texts with the labels good and bad."""
    return list(REVIEWS)


@pytest.fixture
def write_table(tmp_path: Path) -> WriteTable:
    """Writes rows of (text, label) as CSV: `write("train.csv", rows, header="text,label")`."""

    def write(
        name: str, rows: list[tuple[str, str]] | None = None, header: str = "text,label"
    ) -> Path:
        lines = [f'"{text}",{label}' for text, label in (REVIEWS if rows is None else rows)]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return path

    return write
