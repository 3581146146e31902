"""Rows of CSV, TSV and JSONL files, with the lines that they begin on."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from kfine.config import closest
from kfine.data.records import split_named
from kfine.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")

# A longer mark comes before one that it begins with.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
# What the csv module allows at most on every platform; it refuses 131,072 characters otherwise.
_LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        line: Where it begins in the file, from 1.
        cells: By column, in lower case; None where a line of CSV is too short.
        surplus: How many cells a line of CSV has beyond the columns, empty ones at its end not
            counted.
    """

    line: int
    cells: dict[str, Any]
    surplus: int = 0


@dataclass(frozen=True)
class Table:
    """What a file holds: its columns (or keys) in lower case, and its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def torn(self, row: Row, cell: str) -> str:
        """Why a row with more cells than columns cannot be used; empty for others.

        Args:
            row: Of this table.
            cell: What may have been torn, with its article.
        """
        if not row.surplus:
            return ""
        count = len(self.columns)
        return f"{count + row.surplus} cells for {count} columns ({cell} without quotes?)"


def read_table(path: Path, wanted: Sequence[str] = ()) -> Table:
    """Read a CSV, TSV or JSONL file.

    CSV may be separated by comma, semicolon or tab. Cells of JSON keep their type.

    Args:
        path: The file.
        wanted: Columns that there must be, in each object of JSONL.

    Raises:
        DataError: The file is not text, not what its ending says, or lacks a column.
    """
    text = read_text(path)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        rows = tuple(_json_rows(path, text, wanted))
        return Table(path, tuple(dict.fromkeys(key for row in rows for key in row.cells)), rows)
    return _csv_table(path, text, wanted)


def read_text(path: Path) -> str:
    """The content of a file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    Raises:
        DataError: It cannot be read, or is in another encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return decode_text(content)
    except DataError as error:
        raise DataError(
            f"{path} is {error}: save it as UTF-8, such as with "
            f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} if that is what it is in"
        ) from None


def decode_text(content: bytes) -> str:
    """The text of bytes as in `read_text`.

    Raises:
        DataError: A few words without the name: `not UTF-8 (byte 0xfc in line 2)`.
    """
    encoding, named = "utf-8", "UTF-8"
    for mark, *spoken in _MARKS:
        if content.startswith(mark):
            encoding, named = spoken
            break
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        raise DataError(f"not {named} (byte 0x{byte:02x} in line {line})") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"not text, or UTF-16 without a mark (byte 0x00 in line {line})")
    return text


def cell_text(value: object) -> str:
    """A cell as text without space around it; empty for None."""
    return "" if value is None else str(value).strip()


def split_cell(path: Path, row: Row) -> str | None:
    """The split that a row names, or None where it names none.

    Raises:
        DataError: It names something else.
    """
    written = cell_text(row.cells.get("split"))
    split = split_named(written) if written else None
    if written and not split:
        raise DataError(
            f"{path}, line {row.line}: the split {written!r} is none of train, validation and test"
        )
    return split


def named_cells(
    table: Table, column: str, name: Callable[[Row], str], *, filled: bool
) -> dict[str, str]:
    """The cells of one column of a table, by what each row is called.

    Raises:
        DataError: There is no such column, or, if it is to be `filled`, a row has nothing in it.
    """
    key = column.strip().lower()
    if key not in table.columns:
        named = ", ".join(table.columns)
        close = closest(key, table.columns)
        meant = f"; the nearest is {close!r}" if close else ""
        raise DataError(f"{table.path} has no column {column!r}; there are: {named}{meant}.")
    found = {}
    for row in table.rows:
        cell = cell_text(row.cells.get(key))
        if filled and not cell:
            raise DataError(f"{table.path}, line {row.line}: the column {column!r} is empty")
        found[name(row)] = cell
    return found


# How Excel names the separator in a line of its own, above the columns.
_SEPARATOR_LINE = re.compile(r"\"?sep=([,;\t|])\"?", re.IGNORECASE)


def _csv_table(path: Path, text: str, wanted: Sequence[str]) -> Table:
    header = text.split("\n", 1)[0]
    named = _SEPARATOR_LINE.fullmatch(header.rstrip("\r"))
    separator = named[1] if named else max(",;\t|", key=header.count)
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        table = _parsed(path, text, separator, csv.QUOTE_MINIMAL)
        tail = _open_quote(text, table, separator)
        if separator == "\t" and (tail or _holds_tabs(table)):
            # A quote in this file is a sign like any other, as in GLUE's.
            table, tail = _parsed(path, text, separator, csv.QUOTE_NONE), 0
    finally:
        csv.field_size_limit(limit)
    if tail:
        raise DataError(
            f"{path}, line {table.rows[-1].line}: a quote is opened here and never closed, so that "
            f"{tail} lines would be one row: close it, or write it twice inside quotes"
        )
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        received = ", ".join(table.columns) if any(table.columns) else "an empty file"
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}. Received: {received}; "
            f"wanted {','.join(wanted)} and, if you like, split"
        )
    return table


def _parsed(path: Path, text: str, separator: str, quoting: Literal[0, 3]) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting)
    rows = []
    try:
        header = next(reader, [])
        if _SEPARATOR_LINE.fullmatch(separator.join(header)):
            header = next(reader, [])
        columns = tuple(name.strip().lower() for name in header)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                named = dict(zip_longest(columns, cells[: len(columns)]))
                # A program may end its lines in separators.
                filled = max((at for at, cell in enumerate(cells, 1) if cell.strip()), default=0)
                rows.append(Row(line, named, max(0, filled - len(columns))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not CSV ({error})") from None
    return Table(path, columns, tuple(rows))


def _open_quote(text: str, table: Table, separator: str) -> int:
    """Lines that a quote without its end swallowed; the csv module says nothing of it."""
    if not table.rows:
        return 0
    tail = list(io.StringIO(text, newline=""))[table.rows[-1].line - 1 :]
    try:
        list(csv.reader(tail, delimiter=separator, strict=True))
    except csv.Error as error:
        return len(tail) if "unexpected end" in str(error) else 0
    return 0


def _holds_tabs(table: Table) -> bool:
    return any("\t" in cell for row in table.rows for cell in row.cells.values() if cell)


def parsed_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """What the lines of a JSONL file hold, with their numbers from 1; empty ones are skipped.

    Raises:
        DataError: A line is not JSON.
    """
    # Not splitlines(): a label may hold U+2028, which JSON does not escape.
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            raise DataError(f"{path}, line {line}: not JSON; wanted one object a line") from None
        yield line, value


def _json_rows(path: Path, text: str, wanted: Sequence[str]) -> Iterator[Row]:
    for line, row in parsed_lines(path, text):
        cells = {key.strip().lower(): row[key] for key in row} if isinstance(row, dict) else {}
        if not cells or any(name not in cells for name in wanted):
            keys = ", ".join(row) if isinstance(row, dict) else type(row).__name__
            example = ", ".join(f'"{name}": ...' for name in wanted or ("text", "label"))
            raise DataError(
                f"{path}, line {line}: wanted {{{example}}} and, if you like, "
                f'"split". Received: {keys or "an empty object"}'
            )
        yield Row(line, cells)
