"""Examples listed in a CSV, TSV or JSONL file."""

from __future__ import annotations

from pathlib import Path

from kfine.data.records import Record, SetAside, Source, printable
from kfine.data.tables import Row, cell_text, named_cells, read_table, split_cell
from kfine.errors import DataError

_WANTED = ("path", "label")


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
    records: dict[tuple[str, str | None], Record] = {}
    set_aside: list[SetAside] = []
    for row in read_table(path, _WANTED).rows:
        record, reason = _read_row(path, row)
        if not reason and not _is_there(record):
            reason = "no such file"
        first = records.get((record.name, record.split))
        if not reason and first:
            if first.label != record.label:
                raise DataError(
                    f"{path}, line {row.line}: {record.name} is labelled {record.label!r} here and "
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

    def name(row: Row) -> str:
        return _read_row(path, row)[0].name

    return named_cells(read_table(path, _WANTED), column, name)


def _read_row(manifest: Path, row: Row) -> tuple[Record, str | None]:
    """The example of a row, and why it cannot be used."""
    written, label = cell_text(row.cells.get("path")), cell_text(row.cells.get("label"))
    named = split_cell(manifest, row)
    if not written:
        return Record(f"line {row.line}", label, named), "no path"
    file = Path(manifest.parent, Path(written).expanduser())
    inside = file.is_relative_to(manifest.parent)
    name = (file.relative_to(manifest.parent) if inside else file).as_posix()
    # A label is kept as it is written: that ones that differ in space are warned of later.
    exact = row.cells["label"] if isinstance(row.cells["label"], str) else label
    return Record(printable(name), exact, named, file), None if label else "no label"


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
