"""How the labels of a source are read, what its splits balance, and what is counted in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from kfine.data.records import printable
from kfine.data.tables import cell_text
from kfine.errors import DataError


class LabelReader(Protocol):
    """What an answer wants to know of the labels of a source.

    Attributes:
        classes: Whether each label is one of a few classes, so that there must be two or more,
            each in training.
        columns: Columns of a table that hold a label; empty where they are found by name.
    """

    classes: ClassVar[bool]

    @property
    def columns(self) -> tuple[str, ...]: ...

    def read(self, cells: Sequence[Any]) -> Any:
        """The label of a row, from the cells of its columns.

        Raises:
            DataError: A few words on why there is none, such as `no label`.
        """
        ...

    def strata(self, labels: Sequence[Any]) -> list[str]:
        """What splits, folds and calibration balance, for each label."""
        ...

    def names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        """What the labels tell apart, in order; asked before anything is decoded.

        Raises:
            DataError: There is nothing to learn from.
        """
        ...

    def counted(self, label: Any) -> Iterable[str]:
        """What a label adds to the counts of its split."""
        ...

    def missing(self, label: Any) -> Iterable[str]:
        """Parts that a label has not got; they take no part in losses and scores."""
        ...


class Known(Protocol):
    """What a model knows, which other labels are checked against: an answer.

    Attributes:
        names: What it tells apart.
        called: What those are called, "labels".
    """

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def called(self) -> str: ...

    def unknown(self, label: Any) -> Iterable[str]:
        """Names in a label that it does not know."""
        ...


# How tables write a missing value; None and NA are names of classes too often.
_MISSING_WORDS = {"nan", "-nan", "null", "n/a", "#n/a", "<na>", "#null!", "1.#qnan", "1.#ind"}
_WHOLE_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")


# Of fewer examples a split or a fold may get none.
_FEW = 10


def rarest_names(labels: Sequence[Sequence[str]], none: str) -> list[str]:
    """The rarest name of each, so that splits share rare names; few examples are joined.

    Args:
        labels: The names that each example has.
        none: Stands for those of an example without any.
    """
    counts = Counter(name for one in labels for name in one)
    rarest = [min(one, key=lambda name: (counts[name], name), default=none) for one in labels]
    sizes = Counter(rarest)
    common = sizes.most_common(1)[0][0] if sizes else none
    return [one if sizes[one] >= _FEW else common for one in rarest]


def require_classes(labels: LabelReader, data: object) -> None:
    """Check that labels can come from elsewhere than columns.

    Raises:
        DataError: They are no classes.
    """
    if not labels.classes:
        raise DataError(
            "labels of this kind are columns of a .csv, .tsv or .jsonl file. Received: "
            f"{printable(str(data))}"
        )


@dataclass(frozen=True)
class ClassLabels:
    """Each label is the name of a class.

    Attributes:
        columns: The column of a table; one called label if empty.
    """

    columns: tuple[str, ...] = ()
    classes: ClassVar[bool] = True

    def read(self, cells: Sequence[Any]) -> str:
        """A label is kept as it is written: ones that differ in space are warned of later.

        Whole numbers are the same class with and without decimals, as a table that once had gaps
        writes them: 1 and 1.0.
        """
        (cell,) = cells
        if isinstance(cell, (list, dict)):
            raise DataError(f"the label is a {'list' if isinstance(cell, list) else 'JSON object'}")
        label = cell if isinstance(cell, str) else cell_text(cell)
        if not label.strip():
            raise DataError("no label")
        if label.strip().lower() in _MISSING_WORDS:
            raise DataError(f"no label ({label.strip()} stands for a missing value)")
        whole = _WHOLE_NUMBER.fullmatch(label)
        return whole[1] if whole else label

    def strata(self, labels: Sequence[Any]) -> list[str]:
        """The classes."""
        return list(labels)

    def names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        """The classes in alphabetical order."""
        return tuple(sorted(set(labels)))

    def counted(self, label: Any) -> Iterable[str]:
        """The class."""
        return (label,)

    def missing(self, label: Any) -> Iterable[str]:
        """A class has no parts."""
        return ()


CLASS_LABELS = ClassLabels()
