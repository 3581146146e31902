"""Examples listed in a CSV, TSV or JSONL file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kfine.data.labels import CLASS_LABELS, LabelReader
from kfine.data.records import Record, SetAside, Source, printable
from kfine.data.tables import Row, Table, cell_text, named_cells, read_table, split_cell
from kfine.errors import DataError

PATH, LABEL = "path", "label"


def read_manifest(
    path: Path,
    labels: LabelReader = CLASS_LABELS,
    part: Callable[[Row, Record], Record] | None = None,
) -> Source:
    """List the examples of a manifest.

    Columns (or keys) `path`, those of the label and, if wanted, `split`; others are ignored.
    Paths are absolute or relative to the manifest's folder. CSV may be separated by comma,
    semicolon, tab or pipe, and begin with Excel's `sep=;`. A row without a path or label, one with
    more cells than columns, one whose file is missing, and a repeated one are set aside.

    Args:
        path: The manifest.
        labels: Which columns hold the label (`label` if it names none), and how it is read.
        part: From a row and the example of its file to that of the part that the row is about, by
            another name; raises a `DataError` of a few words where there is none.

    Raises:
        DataError: The file or its columns cannot be read, a split is unknown, the same file has
            two labels, or not one of the files is there.
    """
    records: dict[tuple[str, str | None], Record] = {}
    set_aside: list[SetAside] = []
    columns = tuple(one.strip().lower() for one in labels.columns) or (LABEL,)
    table = read_table(path, (PATH, *columns))
    for row in table.rows:
        record, reason = _read_row(table, row, columns, labels, part)
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


def read_column(path: Path, column: str, *, filled: bool) -> dict[str, str]:
    """The cells of one column of a manifest, by the names of the examples.

    Raises:
        DataError: There is no such column, or, if it is to be `filled`, a row has nothing in it.
    """

    def name(row: Row) -> str:
        if PATH in row.cells:
            return _place(path, row)[0]
        return f"{printable(path.name)}:{row.line}"

    return named_cells(read_table(path), column, name, filled=filled)


def _place(manifest: Path, row: Row) -> tuple[str, Path | None]:
    """Name and file of a row."""
    written = cell_text(row.cells.get(PATH))
    if not written:
        return f"line {row.line}", None
    file = Path(manifest.parent, Path(written).expanduser())
    inside = file.is_relative_to(manifest.parent)
    return printable((file.relative_to(manifest.parent) if inside else file).as_posix()), file


def _read_row(
    table: Table,
    row: Row,
    columns: tuple[str, ...],
    labels: LabelReader,
    part: Callable[[Row, Record], Record] | None,
) -> tuple[Record, str | None]:
    """The example of a row, and why it cannot be used."""
    name, file = _place(table.path, row)
    split = split_cell(table.path, row)
    if file is None:
        return Record(name, "", split), "no path"
    if torn := table.torn(row, "a cell"):
        return Record(name, "", split, file), torn
    try:
        label = labels.read([row.cells.get(one) for one in columns])
        record = Record(name, label, split, file)
        return part(row, record) if part else record, None
    except DataError as error:
        return Record(name, "", split, file), str(error)


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
