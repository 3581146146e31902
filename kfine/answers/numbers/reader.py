"""How numbers are written in a table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kfine.data.tables import cell_text
from kfine.errors import ConfigError, DataError

_UNIT = re.compile(r"^(?P<name>.*\S)\s*[(\[](?P<unit>[^()\[\]]*)[)\]]$")
# Splits balance parts of about equal count, of so many examples or more.
_PARTS, _FEW = 5, 10


@dataclass(frozen=True)
class NumberCells:
    """Each label is a tuple of floats, one for each column.

    Attributes:
        columns: The columns of a table.
    """

    columns: tuple[str, ...]
    classes: ClassVar[bool] = False

    def read(self, cells: Sequence[Any]) -> tuple[float, ...]:
        """The numbers of a row; one without all of them has no label."""
        return tuple(map(_number, self.columns, cells))

    def strata(self, labels: Sequence[Any]) -> list[str]:
        """Parts of about equal count, from the least to the largest numbers of the first column."""
        values = np.array([one[0] for one in labels], np.float64)
        parts = max(1, min(_PARTS, len(values) // _FEW))
        ranks = values.argsort(kind="stable").argsort(kind="stable")
        return [f"part {rank * parts // len(values) + 1} of {parts}" for rank in ranks]

    def names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        """The columns.

        Raises:
            DataError: There are fewer than two examples, or all have the same number.
        """
        rows = list(labels)
        for name, column in zip(self.columns, zip(*rows, strict=True), strict=False):
            if len(set(column)) < 2:
                raise DataError(
                    f"all {len(column)} examples have {column[0]:g} in the column {name!r}: there "
                    "is nothing to learn"
                )
        return self.columns

    def counted(self, label: Any) -> Iterable[str]:
        """Numbers are not counted."""
        return ()

    def missing(self, label: Any) -> Iterable[str]:
        """A row without all numbers has no label."""
        return ()


def columns_and_units(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns with their units, from a list with commas.

    A unit follows the column behind a colon (`age:years`), or stands in brackets that are part of
    the column's name (`weight (kg)`).

    Raises:
        ConfigError: No column is named, or one twice.
    """
    columns, units = [], []
    for one in filter(None, (part.strip() for part in text.split(","))):
        name, _, unit = (part.strip() for part in one.partition(":"))
        bracketed = _UNIT.match(name)
        columns.append(name)
        units.append(unit or (bracketed["unit"].strip() if bracketed else ""))
    if not columns or len(set(columns)) < len(columns):
        raise ConfigError(f"Columns are a list such as age:years,weight:kg. Received: {text!r}")
    return tuple(columns), tuple(units)


def _number(column: str, cell: Any) -> float:
    written = cell_text(cell)
    if not written or isinstance(cell, bool):
        raise DataError(f"no number in the column {column!r}")
    try:
        value = float(written)
    except ValueError:
        hint = " (wanted is a decimal point)" if "," in written else ""
        raise DataError(f"{written[:40]!r} in the column {column!r} is no number{hint}") from None
    if not math.isfinite(value):
        raise DataError(f"{written[:40]!r} in the column {column!r} is no finite number")
    return value
