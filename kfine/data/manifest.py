"""Examples listed in a CSV, TSV or JSONL file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfine.data.records import Record, SetAside, Source, printable, split_named
from kfine.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")

Row = tuple[int, dict[str, Any]]


def read_manifest(path: Path) -> Source:
    """List the examples of a manifest.

    Columns (or keys) `path`, `label` and, if wanted, `split`; others are ignored. Paths are
    absolute or relative to the manifest's folder. CSV may be separated by comma, semicolon or
    tab. A row without a path or label, one whose file is missing, and a repeated one are set
    aside.

    Raises:
        DataError: The file or its columns cannot be read, a split is unknown, the same file has
            two labels, or not one of the files is there.
    """
    text = _text(path)
    rows = _json_rows(path, text) if path.suffix.lower() in (".jsonl", ".ndjson") else None
    records: dict[tuple[str, str | None], Record] = {}
    set_aside: list[SetAside] = []
    for line, row in rows if rows is not None else _csv_rows(path, text):
        record, reason = _read_row(path, line, row)
        if not reason and not _is_there(record):
            reason = "no such file"
        first = records.get((record.name, record.split))
        if not reason and first:
            if first.label != record.label:
                raise DataError(
                    f"{path}, line {line}: {record.name} is labelled {record.label!r} here and "
                    f"{first.label!r} before: keep one of them"
                )
            reason = "listed twice"
        if reason:
            set_aside.append(SetAside(record.name, record.split, reason))
        else:
            records[record.name, record.split] = record
    if not records:
        raise DataError(_nothing(path, set_aside))
    ordered = sorted(records.values(), key=lambda record: (record.name, record.split or ""))
    return Source("manifest", path.parent, tuple(ordered), tuple(set_aside))


def read_column(path: Path, column: str) -> dict[str, str]:
    """The cells of one column of a manifest, by the names of the examples.

    Raises:
        DataError: There is no such column, or a row has nothing in it.
    """
    text = _text(path)
    rows = _json_rows(path, text) if path.suffix.lower() in (".jsonl", ".ndjson") else None
    found = {}
    for line, row in rows if rows is not None else _csv_rows(path, text):
        key = next((key for key in row if str(key).lower() == column.strip().lower()), None)
        if key is None:
            there = ", ".join(str(one) for one in row)
            raise DataError(f"{path}, line {line}: no column {column!r}; there are: {there}")
        record, _ = _read_row(path, line, row)
        if not _cell(row[key]):
            raise DataError(f"{path}, line {line}: the column {column!r} is empty")
        found[record.name] = _cell(row[key])
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _csv_rows(path: Path, text: str) -> Iterator[Row]:
    header = text.split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or []]
        missing = [name for name in ("path", "label") if name not in columns]
        if missing:
            received = ", ".join(columns) if any(columns) else "an empty file"
            raise DataError(
                f"{path} has no column {' and no column '.join(missing)}: received {received}; "
                "wanted path,label and, if you like, split"
            )
        reader.fieldnames = columns
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not CSV ({error})") from None


def _json_rows(path: Path, text: str) -> Iterator[Row]:
    # Not splitlines(): a label may hold U+2028, which JSON does not escape.
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError:
            raise DataError(f"{path}, line {line}: not JSON; wanted one object a line") from None
        if not isinstance(row, dict) or "path" not in row or "label" not in row:
            keys = ", ".join(row) if isinstance(row, dict) else type(row).__name__
            raise DataError(
                f'{path}, line {line}: wanted {{"path": ..., "label": ...}} and, if you like, '
                f'"split"; received {keys or "an empty object"}'
            )
        yield line, row


def _read_row(manifest: Path, line: int, row: dict[str, Any]) -> tuple[Record, str | None]:
    """The example of a row, and why it cannot be used."""
    written, label, split = (_cell(row.get(key)) for key in ("path", "label", "split"))
    named = split_named(split) if split else None
    if split and not named:
        raise DataError(
            f"{manifest}, line {line}: the split {split!r} is none of train, validation and test"
        )
    if not written:
        return Record(f"line {line}", label, named), "no path"
    file = Path(manifest.parent, Path(written).expanduser())
    inside = file.is_relative_to(manifest.parent)
    name = (file.relative_to(manifest.parent) if inside else file).as_posix()
    # A label is kept as it is written: that ones that differ in space are warned of later.
    exact = row["label"] if isinstance(row["label"], str) else label
    return Record(printable(name), exact, named, file), None if label else "no label"


def _cell(value: object) -> str:
    return "" if value is None else str(value).strip()


def _is_there(record: Record) -> bool:
    try:
        return record.path is not None and record.path.is_file()
    except (OSError, ValueError):  # A name that is too long, or that holds a NUL.
        return False


def _nothing(path: Path, set_aside: list[SetAside]) -> str:
    if not set_aside:
        return f"{path} lists no examples: wanted rows of path,label"
    first = set_aside[0]
    return (
        f"none of the {len(set_aside)} rows of {path} can be used (the first, {first.name}: "
        f"{first.reason}); paths are relative to the manifest's folder"
    )
