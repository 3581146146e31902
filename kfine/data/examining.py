"""How examples of one kind are looked at without a model, for a report on a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from kfine.data.changes import Change
    from kfine.data.records import Record
    from kfine.data.split import Split


@dataclass(frozen=True)
class Alike:
    """Two examples that are nearly the same.

    Attributes:
        one: Number of an example.
        other: Number of a later one.
        similarity: Up to 1, which means the same.
    """

    one: int
    other: int
    similarity: float


@dataclass(frozen=True)
class Marked:
    """A text with how much parts of it speak for what a model says.

    Attributes:
        text: The text.
        parts: First character, the one behind the last, and from -1, against it, to 1.
    """

    text: str
    parts: tuple[tuple[int, int, float], ...]


class Examiner(Protocol):
    """What is known of examples of one kind.

    It may have `origins(split)`: what the files say of what made the examples, what that is called
    and its name for each, empty where it is not said.

    Attributes:
        many: "images".
        changes: What may happen to them outside.
    """

    many: str
    changes: tuple[Change, ...]

    def measure(self, split: Split) -> dict[str, np.ndarray]:
        """Name and unit, such as "width in pixels" -> float64 `(examples,)`; NaN if unknown."""
        ...

    def alike(self, rows: Any) -> tuple[list[Alike], str]:
        """Pairs that are nearly the same, and a sentence on what was not looked for, or nothing.

        Args:
            rows: Of all examples, indexable with a list of numbers.
        """
        ...

    def unfamiliar(self, example: Any, random: np.random.Generator) -> dict[str, Any]:
        """Names and examples that are none of the classes, as large as one that is."""
        ...

    def html(self, example: Any, record: Record) -> str:
        """An example as it can be shown in a page that needs no other file; escaped.

        Args:
            example: Its row.
            record: Where it comes from.
        """
        ...
