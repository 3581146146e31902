"""What file names say of where examples come from, such as who speaks or which camera."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from kfine.data.labelled import Data
from kfine.data.records import split_named

_PARTS = re.compile(r"[^\W\d_]+|\d+")
# A part that has more values, as a fraction of the examples, numbers them.
_MOST_VALUES = 0.34
# One by which the label is right more often than this goes with the class.
_WITH_LABEL = 0.8
# Names of another form are fewer than the rest of this.
_ALIKE = 0.9
# Of fewer held-out examples nothing follows.
_LEAST = 5


@dataclass(frozen=True)
class Shared:
    """A part of names that is the same in training and in held-out examples.

    Attributes:
        values: What the part is, the most frequent first.
        counts: Held-out split -> how many of its examples have a value that training has too, and
            how many it has.
        example: A held-out example.
        train_example: A training example with the same value.
    """

    values: tuple[str, ...]
    counts: dict[str, tuple[int, int]]
    example: str
    train_example: str

    def sentence(self) -> str:
        """What it may mean."""
        shown = ", ".join(self.values[:5]) + (" and so on" if len(self.values) > 5 else "")
        shared = " and ".join(
            f"{count} of {of} {split} examples" for split, (count, of) in self.counts.items()
        )
        return (
            f"names hold a part that may say where examples come from ({shown}): {shared} share "
            f"it with training, such as {self.example} with {self.train_example}; if it is a "
            "person, a place or a device, scores on new ones will be lower"
        )


def shared_parts(data: Data) -> list[Shared]:
    """Parts of names, neither classes nor numbers of examples, that splits share."""
    names = [(split.name, name) for split in data.splits.values() for name in split.names]
    labels = [record.written for split in data.splits.values() for record in split.records]
    parts = [_parts(name) for _, name in names]
    usual, count = Counter(map(len, parts)).most_common(1)[0] if parts else (0, 0)
    if count < _ALIKE * len(parts):
        return []
    rows = [number for number, one in enumerate(parts) if len(one) == usual]
    found: dict[tuple[str, ...], Shared] = {}
    for place in range(usual):
        values = {number: parts[number][place] for number in rows}
        if _says_something(values, labels, last=place == usual - 1):
            shared = _between(values, names)
            if shared is not None:
                found.setdefault(shared.values, shared)
    return list(found.values())


def _parts(name: str) -> list[str]:
    """Words and numbers of a path, without folders and files of splits and the ending."""
    path = PurePosixPath(name)
    told = [one for one in (*path.parent.parts, path.stem) if not split_named(one)]
    return [part for one in told for part in _PARTS.findall(one)]


def _says_something(values: dict[int, str], labels: Sequence[str], *, last: bool) -> bool:
    kinds = set(values.values())
    if not 2 <= len(kinds) <= _MOST_VALUES * len(values):
        return False
    if last and all(one.isdigit() for one in kinds):
        return False
    # The class itself, or what goes with it.
    labels_of: dict[str, Counter[str]] = defaultdict(Counter)
    for number, value in values.items():
        labels_of[value][labels[number]] += 1
    with_label = sum(one.most_common(1)[0][1] for one in labels_of.values())
    return with_label < _WITH_LABEL * len(values)


def _between(values: dict[int, str], names: Sequence[tuple[str, str]]) -> Shared | None:
    first: dict[str, str] = {}
    for number, value in values.items():
        if names[number][0] == "train":
            first.setdefault(value, names[number][1])
    counts, same = {}, []
    for split in ("validation", "test"):
        held = [number for number in values if names[number][0] == split]
        shared = [number for number in held if values[number] in first]
        if len(held) >= _LEAST and shared:
            counts[split] = len(shared), len(held)
            same += shared
    if not same:
        return None
    common = Counter(values[number] for number in same)
    ordered = tuple(value for value, _ in common.most_common())
    return Shared(ordered, counts, names[same[0]][1], first[values[same[0]]])
