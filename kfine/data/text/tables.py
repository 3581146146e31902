"""Labelled texts in the rows of CSV, TSV and JSONL files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kfine.data.records import Record, SetAside, Source, printable
from kfine.data.tables import Row, Table, cell_text, named_cells, read_table, split_cell
from kfine.data.text.columns import Columns, find_columns
from kfine.errors import DataError


def read_text_tables(
    files: Sequence[tuple[Path, str | None]],
    *,
    text_column: str | None = None,
    label_column: str | None = None,
) -> Source:
    """List the labelled texts of files.

    Args:
        files: Each with the split that it is, or None if its column `split` says so. The columns
            are looked for in the first.
        text_column: Its name, in any case; guessed if omitted.
        label_column: The same for the labels.

    Raises:
        DataError: A file or its columns cannot be read, or not one row can be used.
    """
    tables = [(read_table(path), split) for path, split in files]
    first = tables[0][0]
    if not first.rows:
        raise DataError(f"{first.path} lists no texts: wanted rows of text,label")
    columns = find_columns(first, text_column, label_column)
    records: list[Record] = []
    set_aside: list[SetAside] = []
    lost: dict[str, str] = {}
    warnings: list[str] = []
    for table, split in tables:
        warnings += _checked(table, columns, split, first.path)
        for row in table.rows:
            record, reason = _read_row(table, row, columns, split)
            if reason:
                set_aside.append(SetAside(record.name, record.split, reason))
                lost.setdefault(record.label, record.name)
            else:
                records.append(record)
    if not records:
        raise DataError(
            f"none of the {len(set_aside)} rows of {first.path} can be used (the first, "
            f"{set_aside[0].name}: {set_aside[0].reason})"
        )
    for label in sorted(lost.keys() - {record.label for record in records} - {""}):
        warnings.append(f"not one text labelled {label!r} can be used (such as {lost[label]})")
    notes = (columns.note,) if columns.note else ()
    ordered = sorted(records, key=lambda record: (record.split or "", record.name))
    return Source(
        "table", first.path.parent, tuple(ordered), tuple(set_aside), tuple(warnings), notes
    )


def read_text_column(files: Sequence[Path], column: str) -> dict[str, str]:
    """The cells of one column, such as the author, by the names of the examples.

    Raises:
        DataError: There is no such column, or a row has nothing in it.
    """
    found: dict[str, str] = {}
    for path in files:
        found |= named_cells(read_table(path), column, partial(_name, path))
    return found


def _checked(table: Table, columns: Columns, split: str | None, first: Path) -> list[str]:
    """Check that a file has the columns of the first; returns warnings."""
    if not table.rows:
        return [f"{table.path} holds no rows and is ignored"]
    lacking = [name for name in (columns.text, columns.label) if name not in table.columns]
    if lacking:
        raise DataError(
            f"{table.path} has no column {' and no column '.join(map(repr, lacking))}, as "
            f"{first.name} has; there are: {', '.join(table.columns)}"
        )
    if split and "split" in table.columns:
        return [f"the column 'split' of {table.path} is ignored: its file name says {split}"]
    return []


def _read_row(
    table: Table, row: Row, columns: Columns, split: str | None
) -> tuple[Record, str | None]:
    """The example of a row, and why it cannot be used."""
    text, label = row.cells.get(columns.text), row.cells.get(columns.label)
    torn = row.surplus > 0  # So that its label may be a part of its text.
    record = Record(
        _name(table.path, row),
        "" if torn or isinstance(label, (list, dict)) else _written(label),
        split or split_cell(table.path, row),
        text="" if isinstance(text, (list, dict)) else _written(text),
    )
    if torn:
        count = len(table.columns)
        return record, f"{count + row.surplus} cells for {count} columns (a text without quotes?)"
    for name, cell in (("text", text), ("label", label)):
        if isinstance(cell, (list, dict)):
            return record, f"the {name} is a {'list' if isinstance(cell, list) else 'JSON object'}"
    return record, unusable(record)


def unusable(record: Record) -> str | None:
    """Why a text and its label cannot be an example, or None."""
    if not record.text or not record.text.strip():
        return "empty text"
    if not record.label.strip():
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
