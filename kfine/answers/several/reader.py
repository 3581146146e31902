"""Reads several labels from a row: each part has columns of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kfine.answers import MISSING, known
from kfine.data.labels import LabelReader
from kfine.data.tables import cell_text
from kfine.errors import DataError


@dataclass(frozen=True)
class SeveralLabels:
    """Each label is a dict of what the parts' readers make of their columns.

    A part whose cells are all empty is `MISSING`; a row without any part has no label.

    Attributes:
        parts: Name -> reader, which names its columns; the first is what the splits balance.
    """

    parts: Mapping[str, LabelReader]
    classes: ClassVar[bool] = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of all parts."""
        return tuple(column for one in self.parts.values() for column in one.columns)

    def read(self, cells: Sequence[Any]) -> dict[str, Any]:
        """What each part makes of its cells."""
        label: dict[str, Any] = {}
        start = 0
        for name, part in self.parts.items():
            own = cells[start : start + len(part.columns)]
            start += len(own)
            there = any(one != [] and cell_text(one) for one in own)
            label[name] = part.read(own) if there else MISSING
        if not any(known(label.values())):
            raise DataError("no label")
        return label

    def strata(self, labels: Sequence[Any]) -> list[str]:
        """Those of the first part."""
        first, part = next(iter(self.parts.items()))
        there = known([one[first] for one in labels])
        own = iter(part.strata([one[first] for one in labels if one[first] is not MISSING]))
        return [next(own) if is_there else f"no {first}" for is_there in there]

    def names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        """Those of all parts, the part in front.

        Raises:
            DataError: A part has nothing to learn from.
        """
        rows, found = list(labels), []
        for name, part in self.parts.items():
            own = [one[name] for one in rows if one[name] is not MISSING]
            if not own:
                raise DataError(f"not one of {len(rows)} examples has a {name}")
            words = part.names(own)
            if part.classes and len(words) < 2:
                raise DataError(
                    f"there is only one {name}, {words[0]!r}: a classifier needs at least two"
                )
            found += [f"{name} {one}" for one in words]
        return tuple(found)

    def counted(self, label: Any) -> Iterable[str]:
        """What the parts count."""
        for name, part in self.parts.items():
            if label[name] is not MISSING:
                yield from (f"{name} {one}" for one in part.counted(label[name]))

    def missing(self, label: Any) -> Iterable[str]:
        """The parts whose cells are empty."""
        return [name for name in self.parts if label[name] is MISSING]


def present(labels: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """The labels of one part, without those that are missing."""
    return [one[name] for one in labels if one[name] is not MISSING]
