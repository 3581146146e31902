"""What further columns of a table say of examples, such as who, where or with which device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kfine.data.files import tables_in
from kfine.data.manifest import read_column
from kfine.data.records import Record, split_named
from kfine.data.tables import SUFFIXES
from kfine.errors import DataError


def read_columns(
    data: str, columns: Sequence[str], called: str, *, filled: bool = False
) -> dict[str, dict[str, str]]:
    """The cells of some columns of a source, by the names of its examples.

    Args:
        data: The source; a CSV, TSV or JSONL file, or a folder of such files for splits.
        columns: Its columns, or keys, in any case.
        called: What they are for in the error, such as "Groups are a column".
        filled: Whether a row without a value is an error; it is an empty text else.

    Returns:
        For each column: names of examples, of rows with a path that, else of their lines, with
        their cells.

    Raises:
        DataError: The source has no columns, not one of these, or it is empty somewhere.
    """
    path = Path(data).expanduser()
    files = [path]
    if path.is_dir():
        # Tables beside the splits are no data of theirs, see `read_text_folder`.
        files = [one for one in tables_in(path) if split_named(one.stem)]
    if not files or files[0].suffix.lower() not in SUFFIXES or not files[0].is_file():
        raise DataError(f"{called} of a manifest (.csv, .tsv or .jsonl), and {data} is none.")
    found: dict[str, dict[str, str]] = {}
    for column in columns:
        cells = found.setdefault(column.strip().lower(), {})
        for file in files:
            cells |= read_column(file, column, filled=filled)
    return found


def cells_of(records: Sequence[Record], cells: dict[str, str]) -> list[str]:
    """The cell of each example; a part of a file has that of the file, one without has none."""
    keys = [one.name if one.name in cells else one.together for one in records]
    return ["" if key is None else cells.get(key, "") for key in keys]
