"""The clean-list: which examples to leave out, and which to label otherwise."""

from __future__ import annotations

import csv
import difflib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kfine.data.checks import check_training, listed
from kfine.data.labelled import Data
from kfine.data.labels import LabelReader
from kfine.data.split import Split
from kfine.data.tables import Table, cell_text, read_table
from kfine.errors import DataError

# What a suggestion may be.
EXCLUDE, RELABEL, LOOK = "exclude", "relabel", "look"
COLUMNS = ("file", "split", "label", "finding", "suggestion", "new_label", "detail")


@dataclass(frozen=True)
class CleanList:
    """What somebody decided about single examples.

    Attributes:
        excluded: Names of those to leave out.
        relabelled: Name -> new label.
    """

    excluded: tuple[str, ...] = ()
    relabelled: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.excluded or self.relabelled)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` reads it."""
        return {"excluded": list(self.excluded), "relabelled": dict(self.relabelled)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CleanList:
        """Read what `to_dict` gave."""
        return cls(tuple(values["excluded"]), dict(values["relabelled"]))


def read_clean_list(exclude: str | None, relabel: str | None) -> CleanList:
    """Read the rows of a clean-list that somebody left in it.

    Args:
        exclude: A table with the column `file`; where it has a column `suggestion` too, only the
            rows count whose suggestion is `exclude`.
        relabel: A table with the columns `file` and `new_label`, likewise with `relabel`. Both may
            be the same file.

    Raises:
        DataError: It cannot be read, has not these columns, or contradicts itself.
    """
    excluded: dict[str, int] = {}
    relabelled: dict[str, str] = {}
    if exclude:
        table, rows = _rows(exclude, ("file",), EXCLUDE)
        excluded = {name: line for name, line, _ in rows}
    if relabel:
        table, rows = _rows(relabel, ("file", "new_label"), RELABEL)
        for name, line, label in rows:
            if not label:
                raise DataError(f"{table.path}, line {line}: {name} has no new_label; fill it in")
            if relabelled.setdefault(name, label) != label:
                raise DataError(
                    f"{table.path}, line {line}: {name} is to be {label!r} here and "
                    f"{relabelled[name]!r} before; keep one of them"
                )
    both = sorted(set(excluded) & set(relabelled))
    if both:
        raise DataError(
            f"{len(both)} examples are to be both left out and labelled anew, such as {both[0]}; "
            "keep one of the two rows"
        )
    return CleanList(tuple(sorted(excluded)), dict(sorted(relabelled.items())))


def _rows(
    path: str, columns: tuple[str, ...], suggestion: str
) -> tuple[Table, list[tuple[str, int, str]]]:
    """Name, line and new label of the rows with a suggestion, or of all where there are none."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"There is no clean-list {path}; `kfine doctor` writes one, clean.csv.")
    table = read_table(file, columns)
    found = []
    for row in table.rows:
        wanted = cell_text(row.cells.get("suggestion")) if "suggestion" in row.cells else suggestion
        if wanted and wanted not in (EXCLUDE, RELABEL, LOOK):
            raise DataError(
                f"{path}, line {row.line}: a suggestion is {EXCLUDE}, {RELABEL} or {LOOK}. "
                f"Received: {wanted!r}"
            )
        name = cell_text(row.cells.get("file"))
        if wanted == suggestion and name:
            found.append((name, row.line, cell_text(row.cells.get("new_label"))))
    return table, found


def clean(data: Data, decided: CleanList) -> Data:
    """A data set without the examples that are left out, and with the new labels of others.

    Examples stay in their splits, as if they had been divided before.

    Raises:
        DataError: It names an example that there is not, gives a label that this data cannot have,
            or leaves nothing to learn from.
    """
    if not decided:
        return data
    known = {name for split in data.splits.values() for name in split.names}
    _check_names(data, decided, known)
    gone, labels = set(decided.excluded), _new_labels(data, decided)
    splits, as_it_was = {}, {}
    for name, split in data.splits.items():
        as_it_was[name] = _touched(split, decided)
        kept = split.take([i for i, one in enumerate(split.names) if one not in gone], name)
        if len(kept):
            splits[name] = _relabelled(kept, labels)
    if "train" not in splits:
        raise DataError("the clean-list leaves no example to train on")
    if data.labels is not None:
        splits = _stratified(splits, data.labels)
        if data.labels.classes:
            check_training(data.class_names, [r for one in splits.values() for r in one.records])
    notes = []
    if gone & known:
        notes.append(f"left out {len(gone & known)} examples that the clean-list names")
    if labels:
        notes.append(f"gave {len(labels)} examples the labels of the clean-list")
    return replace(
        data,
        splits=splits,
        counted={name: _counted(data, splits[name]) for name in splits},
        notes=(*data.notes, *notes),
        cleaned=decided.to_dict(),
        as_it_was=as_it_was,
    )


def _check_names(data: Data, decided: CleanList, known: set[str]) -> None:
    # What was set aside is not there to be left out, and nobody minds.
    there = known | {one.name for one in data.set_aside}
    for what, names in (("leave out", decided.excluded), ("relabel", [*decided.relabelled])):
        unknown = [name for name in names if name not in there]
        if unknown:
            near = difflib.get_close_matches(unknown[0], sorted(known), n=1)
            meant = f" (the nearest is {near[0]!r})" if near else ""
            raise DataError(
                f"{len(unknown)} of {len(names)} examples that the clean-list wants to {what} are "
                f"not in {data.source}, such as {unknown[0]!r}{meant}"
            )


def _new_labels(data: Data, decided: CleanList) -> dict[str, Any]:
    """Labels as the data has them, from the cells of a clean-list."""
    found: dict[str, Any] = {}
    for name, cell in decided.relabelled.items():
        try:
            if data.labels is None or len(data.labels.columns) > 1:
                raise NotImplementedError
            label = data.labels.read([cell])
        except (NotImplementedError, TypeError, ValueError):
            raise DataError(
                f"the labels of {data.source} are more than a clean-list can say, such as that of "
                f"{name}: change them in the data itself"
            ) from None
        except DataError as error:
            raise DataError(f"the clean-list gives {name} the label {cell!r}: {error}") from None
        strange = sorted(set(data.labels.counted(label)) - set(data.class_names))
        if data.class_names and strange:
            raise DataError(
                f"the clean-list gives {name} the label {strange[0]!r}, and the labels are "
                f"{listed(data.class_names, 20)}"
            )
        found[name] = label
    return found


def _relabelled(split: Split, labels: Mapping[str, Any]) -> Split:
    """A split with new labels of some examples."""
    new = [labels.get(name, old) for name, old in zip(split.names, split.labels, strict=True)]
    records = [replace(r, label=one) for r, one in zip(split.records, new, strict=True)]
    return replace(split, labels=tuple(new), records=tuple(records)) if labels else split


def _stratified(splits: Mapping[str, Split], labels: LabelReader) -> dict[str, Split]:
    """The splits with what they balance, which changes with the labels."""
    strata = labels.strata([label for split in splits.values() for label in split.labels])
    numbers = {name: number for number, name in enumerate(sorted(set(strata)))}
    found, rest = {}, iter(strata)
    for name, split in splits.items():
        records = tuple(replace(record, stratum=next(rest)) for record in split.records)
        order = np.array([numbers[one.stratum] for one in records], np.int32)
        found[name] = replace(split, records=records, strata=order)
    return found


def _counted(data: Data, split: Split) -> dict[str, int]:
    """How often each name occurs in the labels of a split."""
    if data.labels is None:
        return {}
    found = Counter(word for label in split.labels for word in data.labels.counted(label))
    everything = dict.fromkeys(data.class_names, 0) if data.labels.classes else {}
    return {**everything, **dict(sorted(found.items()))}


def _touched(split: Split, decided: CleanList) -> list[dict[str, str]]:
    """Examples that are left out or labelled anew, as `Data.split_lists` names them before."""
    names = {*decided.excluded, *decided.relabelled}
    return [
        {"name": record.name, "label": record.written, "digest": digest}
        for record, digest in zip(split.records, split.digests, strict=True)
        if record.name in names
    ]


def clean_list_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A clean-list as CSV, to be edited and given back.

    Args:
        rows: With `COLUMNS` each.
    """
    kept = io.StringIO()
    writer = csv.DictWriter(kept, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return kept.getvalue()
