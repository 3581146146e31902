"""Labelled texts in the rows of CSV, TSV and JSONL files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfine.data.labels import CLASS_LABELS, LabelReader
from kfine.data.records import Record, SetAside, Source, printable
from kfine.data.tables import Row, Table, cell_text, read_table, split_cell
from kfine.errors import DataError
from kfine.inputs.text.columns import Columns, find_columns


def read_text_tables(
    files: Sequence[tuple[Path, str | None]],
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    labels: LabelReader = CLASS_LABELS,
) -> Source:
    """List the labelled texts of files.

    Args:
        files: Each with the split that it is, or None if its column `split` says so. The columns
            are looked for in the first.
        text_column: Its name, in any case; guessed if omitted.
        label_column: The same for the labels.
        labels: Which columns hold them, if that is not to be found out, and how they are read.

    Raises:
        DataError: A file or its columns cannot be read, or not one row can be used.
    """
    tables = [(read_table(path), split) for path, split in files]
    first = tables[0][0]
    if not first.rows:
        raise DataError(f"{first.path} lists no texts: wanted rows of text,label")
    columns = find_columns(first, text_column, label_column, labels.columns)
    records: list[Record] = []
    set_aside: list[SetAside] = []
    lost: dict[str, str] = {}
    warnings: list[str] = []
    for table, split in tables:
        warnings += _checked(table, columns, split, first.path)
        for row in table.rows:
            record, reason = _read_row(table, row, columns, split, labels)
            if reason:
                set_aside.append(SetAside(record.name, record.split, reason))
                if isinstance(record.label, str):
                    lost.setdefault(record.label, record.name)
            else:
                records.append(record)
    if not records:
        raise DataError(
            f"none of the {len(set_aside)} rows of {first.path} can be used (the first, "
            f"{set_aside[0].name}: {set_aside[0].reason})"
        )
    for label in sorted(
        lost.keys() - {record.label for record in records if isinstance(record.label, str)} - {""}
    ):
        warnings.append(f"not one text labelled {label!r} can be used (such as {lost[label]})")
    notes = (columns.note,) if columns.note else ()
    ordered = sorted(records, key=lambda record: (record.split or "", record.name))
    read = {"text_column": columns.text}
    if not labels.columns:
        read["label_column"] = columns.labels[0]
    return Source(
        "table", first.path.parent, tuple(ordered), tuple(set_aside), tuple(warnings), notes, read
    )


def _checked(table: Table, columns: Columns, split: str | None, first: Path) -> list[str]:
    """Check that a file has the columns of the first; returns warnings."""
    if not table.rows:
        return [f"{table.path} holds no rows and is ignored"]
    lacking = [name for name in (columns.text, *columns.labels) if name not in table.columns]
    if lacking:
        raise DataError(
            f"{table.path} has no column {' and no column '.join(map(repr, lacking))}, as "
            f"{first.name} has; there are: {', '.join(table.columns)}"
        )
    if split and "split" in table.columns:
        return [f"the column 'split' of {table.path} is ignored: its file name says {split}"]
    return []


def _read_row(
    table: Table, row: Row, columns: Columns, split: str | None, labels: LabelReader
) -> tuple[Record, str | None]:
    """The example of a row, and why it cannot be used."""
    text = row.cells.get(columns.text)
    cells = [row.cells.get(name) for name in columns.labels]
    torn = table.torn(row, "a text")  # So that its label may be a part of its text.
    structured = any(isinstance(one, (list, dict)) for one in cells)
    record = Record(
        _name(table.path, row),
        "" if torn or structured else "".join(map(_written, cells)),
        split or split_cell(table.path, row),
        text="" if isinstance(text, (list, dict)) else _written(text),
    )
    if torn:
        return record, torn
    kind = _kind(text)
    if kind:
        return record, f"the text is a {kind}"
    reason = _unreadable(record)
    if reason:
        return record, reason
    try:
        label = labels.read([one if _kind(one) else _written(one) for one in cells])
    except DataError as error:
        return record, str(error)
    return replace(record, label=label), unusable(replace(record, label=label))


def _kind(cell: Any) -> str:
    """What a cell of JSON is that is no text; empty for one that can be written."""
    if isinstance(cell, list):
        return "list"
    return "JSON object" if isinstance(cell, dict) else ""


def _unreadable(record: Record) -> str | None:
    return None if record.text and record.text.strip() else "empty text"


def unusable(record: Record) -> str | None:
    """Why a text and its label cannot be an example, or None."""
    if _unreadable(record):
        return _unreadable(record)
    if isinstance(record.label, str) and not record.label.strip():
        return "no label"
    try:
        f"{record.text}{record.label}".encode()
    except UnicodeEncodeError:
        return "not valid Unicode"
    return None


def _name(path: Path, row: Row) -> str:
    return f"{printable(path.name)}:{row.line}"


def _written(cell: Any) -> str:
    """A cell as it is written: that labels that differ in space are warned of later."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, float) and math.isnan(cell):
        return ""
    return json.dumps(cell) if isinstance(cell, bool) else cell_text(cell)
