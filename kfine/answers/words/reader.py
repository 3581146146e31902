"""Transcripts in a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kfine.data.tables import cell_text
from kfine.errors import DataError


@dataclass(frozen=True)
class Transcripts:
    """Each label is a text.

    Attributes:
        columns: The column of a table.
    """

    columns: tuple[str, ...]
    classes: ClassVar[bool] = False

    def read(self, cells: Sequence[Any]) -> str:
        """A text without the space around it."""
        (cell,) = cells
        text = " ".join(cell_text(cell).split())
        if not text:
            raise DataError(f"no text in the column {self.columns[0]!r}")
        return text

    def strata(self, labels: Sequence[Any]) -> list[str]:
        """Texts are not balanced."""
        return ["all"] * len(labels)

    def names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        """Texts tell nothing apart."""
        return ()

    def counted(self, label: Any) -> Iterable[str]:
        """Texts are not counted."""
        return ()

    def missing(self, label: Any) -> Iterable[str]:
        """A text has no parts."""
        return ()
