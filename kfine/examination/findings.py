"""What was found out about single examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kfine.data.clean_list import EXCLUDE, LOOK
from kfine.data.labelled import Data
from kfine.data.split import Split


@dataclass(frozen=True)
class Finding:
    """One example, what may be wrong with it, and what could be done.

    Attributes:
        kind: Such as "near duplicate".
        split: Of the example.
        name: Of the example.
        label: Its label, as a text.
        detail: A few words, such as the name of the example that it is like.
        suggestion: What a clean-list would do: `exclude`, `relabel` or `look`.
        new_label: Where it is `relabel`.
        score: The smaller, the worse; findings of a kind come in this order.
        beside: (split, name) of the other example of a pair.
    """

    kind: str
    split: str
    name: str
    label: str
    detail: str
    suggestion: str = LOOK
    new_label: str = ""
    score: float = 0.0
    beside: tuple[str, str] | None = None


class Pool:
    """The examples of all splits, numbered through.

    Args:
        data: A data set; each of its splits in order.
    """

    def __init__(self, data: Data) -> None:
        self.splits = list(data.splits.values())
        self.starts = np.cumsum([0, *map(len, self.splits)])
        self.labels = [one for split in self.splits for one in split.labels]
        self.digests = [one for split in self.splits for one in split.digests]
        self.strata = np.concatenate([split.strata for split in self.splits])

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, number: int) -> tuple[Split, int]:
        """The split of an example, and its number there."""
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        return self.splits[place], number - int(self.starts[place])

    def place(self, number: int) -> tuple[str, str]:
        """Split and name of an example."""
        split, index = self.at(number)
        return split.name, split.names[index]

    def __getitem__(self, numbers: Any) -> Any:
        """The rows of examples, stacked as those of one split are."""
        rows: list[Any] = []
        for number in numbers:
            split, index = self.at(int(number))
            rows.append(split.inputs[[index]][0])
        if rows and isinstance(rows[0], np.ndarray) and self.splits[0].inputs.dtype != object:
            return np.stack(rows)
        return np.fromiter(rows, dtype=object, count=len(rows))

    def alike(self, one: int, other: int) -> bool:
        """Whether two examples have the same label, as far as labels can be the same."""
        split, index = self.at(one)
        # Masks, boxes and the like are never equal.
        plain = split.records[index].plain_label is not None
        return not plain or self.labels[one] == self.labels[other]

    def finding(self, kind: str, number: int, detail: str, **more: Any) -> Finding:
        """A finding about an example."""
        split, index = self.at(number)
        label = split.records[index].written
        return Finding(kind, split.name, split.names[index], label, detail, **more)


def duplicates(pool: Pool, pairs: list[tuple[int, int, float]], kind: str) -> list[Finding]:
    """One finding for each pair: the example that could go, and the one that it is like.

    Of a pair in two splits that is the one nearer to training, so that scores remain comparable;
    where labels differ, somebody has to look.

    Args:
        pool: The examples.
        pairs: Numbers of two examples, and how similar they are.
        kind: What they are.
    """
    found = []
    for one, other, similarity in pairs:
        across = pool.place(one)[0] != pool.place(other)[0]
        # Splits come in the order training, validation, test.
        spare, kept = (one, other) if across else (other, one)
        split, name = pool.place(kept)
        same = pool.alike(one, other)
        written = pool.at(kept)[0].records[pool.at(kept)[1]].written
        detail = f"as {name} ({split})" + ("" if same else f", labelled {written!r}")
        what = f"{kind} {'in two splits' if across else 'in one split'}"
        found.append(
            pool.finding(
                what if same else f"{kind} with another label",
                spare,
                detail,
                suggestion=EXCLUDE if same else LOOK,
                score=1 - similarity,
                beside=(split, name),
            )
        )
    return sorted(found, key=lambda one: (one.kind, one.score, one.name))
