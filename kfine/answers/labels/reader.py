"""How lists of labels are written in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kfine.data.labels import rarest_names
from kfine.data.tables import cell_text
from kfine.errors import ConfigError, DataError

_YES = ("1", "1.0", "true", "yes", "y", "x")
_NO = ("", "0", "0.0", "false", "no", "n")
NONE = "no label"


@dataclass(frozen=True)
class LabelLists:
    """Each label is a tuple of names in alphabetical order; an example may have none.

    Attributes:
        columns: One column with the names, one called label or the like if empty; or with
            `separator` empty one column for each name, which holds 1 or 0 (yes or no, true or
            false; empty is 0).
        separator: Stands between the names of a cell. Lists of JSON need none.
    """

    columns: tuple[str, ...] = ()
    separator: str = "|"
    classes: ClassVar[bool] = False

    def read(self, cells: Sequence[Any]) -> tuple[str, ...]:
        """The names that a row has."""
        if not self.separator:
            pairs = zip(self.columns, cells, strict=True)
            return tuple(sorted(name for name, cell in pairs if _holds(name, cell)))
        (cell,) = cells
        if isinstance(cell, dict):
            raise DataError("the label is a JSON object")
        names = cell if isinstance(cell, list) else cell_text(cell).split(self.separator)
        return tuple(sorted({cell_text(name) for name in names} - {""}))

    def strata(self, labels: Sequence[Any]) -> list[str]:
        """The rarest name of each, see `rarest_names`."""
        return rarest_names(labels, NONE)

    def names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        """The names in alphabetical order.

        Raises:
            DataError: There are none, or one example only has some name.
        """
        counts = Counter(name for one in labels for name in one)
        if not counts:
            raise DataError(
                "not one example has a label: wanted names with "
                f"{self.separator!r} between them, or columns that hold 1 and 0"
            )
        single = sorted(name for name, count in counts.items() if count == 1)
        if single:
            listed = ", ".join(map(repr, single[:5]))
            raise DataError(
                f"only one example has the label {listed}: add more (two are the least, one to "
                "train and one to validate) or remove it"
            )
        return tuple(sorted(counts))

    def counted(self, label: Any) -> Iterable[str]:
        """The names."""
        return tuple(label)

    def missing(self, label: Any) -> Iterable[str]:
        """A list has no parts."""
        return ()


def label_lists(column: str | None, separator: str, columns: str | None = None) -> LabelLists:
    """What a recipe's settings say of the labels.

    Args:
        column: The one with the names; one called label or the like if `None`.
        separator: Between the names.
        columns: One for each label, with commas between; none where they stand in `column`.

    Raises:
        ConfigError: There is no separator, or a column is named twice.
    """
    each = tuple(filter(None, (one.strip() for one in (columns or "").split(","))))
    if len(set(each)) < len(each):
        raise ConfigError(f"label_columns names a column twice. Received: {columns!r}")
    if each:
        return LabelLists(each, "")
    if not separator:
        raise ConfigError(
            "label_separator must be a sign such as | where the labels stand in one column. "
            "Received: none"
        )
    return LabelLists((column,) if column else (), separator)


def _holds(name: str, cell: Any) -> bool:
    written = str(int(cell)) if isinstance(cell, bool) else cell_text(cell).lower()
    if written in _YES:
        return True
    if written in _NO:
        return False
    raise DataError(f"{cell_text(cell)[:40]!r} in the column {name!r} is neither 1 nor 0")


def several_labels(separator: str | None, columns: str | None) -> LabelLists | None:
    """As `label_lists`, for a recipe whose examples have one class where neither is given."""
    return label_lists(None, separator or "", columns) if separator or columns else None
