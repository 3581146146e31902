"""Boxes in a table: a row for each object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kfine.answers.boxes.listed import SIDES, Listed, Thing, Told
from kfine.data.records import printable
from kfine.data.tables import Row, Table, cell_text, read_table, split_cell
from kfine.errors import DataError

# What a column may be called, the first name being ours.
_PATH, _LABEL = ("path", "filename", "image", "file"), ("label", "class", "name")
COLUMNS = ("path", "label", *SIDES)


def read_boxes(path: Path, told: Told) -> Iterator[Listed]:
    """The images of a CSV, TSV or JSONL file.

    A row without a label and without a box is an image without objects.

    Raises:
        DataError: The file or its columns cannot be read, or a row is no box.
    """
    table = read_table(path)
    image, label = (_column(table, names) for names in (_PATH, _LABEL))
    missing = [side for side in SIDES if side not in table.columns]
    if missing:
        raise _without(table, missing)
    things: dict[Path, list[Thing]] = {}
    splits: dict[Path, str | None] = {}
    for row in table.rows:
        written = cell_text(row.cells.get(image))
        if not written:
            raise DataError(f"{path}, line {row.line} has no {image}")
        file = Path(path.parent, Path(written).expanduser())
        split = split_cell(path, row)
        if splits.setdefault(file, split) != split:
            raise DataError(
                f"{path}, line {row.line}: {printable(written)} is in {split} here and in "
                f"{splits[file]} before: keep one of them"
            )
        own = things.setdefault(file, [])
        thing = _thing(path, row, label)
        if thing is not None:
            own.append(thing)
    for file, found in things.items():
        there = "" if file.is_file() else "no such file"
        yield Listed(file, tuple(found), splits[file], path.name, wrong=there)


def _column(table: Table, names: tuple[str, ...]) -> str:
    found = next((name for name in names if name in table.columns), None)
    if found is None:
        raise _without(table, names[:1])
    return found


def _without(table: Table, missing: Sequence[str]) -> DataError:
    return DataError(
        f"{table.path} has no column {', '.join(missing)}: wanted {', '.join(COLUMNS)}. Received: "
        f"{', '.join(table.columns)}"
    )


def _thing(path: Path, row: Row, label: str) -> Thing | None:
    name = cell_text(row.cells.get(label))
    cells = [row.cells.get(side) for side in SIDES]
    written = [cell_text(cell) for cell in cells]
    if not name and not any(written):
        return None
    if not name or not all(written):
        raise DataError(f"{path}, line {row.line}: a box needs {label} and {', '.join(SIDES)}")
    try:
        left, top, right, bottom = (float(str(cell)) for cell in written)
    except ValueError:
        raise DataError(
            f"{path}, line {row.line}: {', '.join(SIDES)} are pixels. Received: "
            f"{', '.join(map(str, written))}"
        ) from None
    return Thing(name, (left, top, right, bottom))
