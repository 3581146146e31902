"""Which recipe reads a source, by the files in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from itertools import islice
from pathlib import Path

from kfine.data.files import is_clutter, tables_in
from kfine.data.manifest import PATH
from kfine.data.tables import SUFFIXES, cell_text, read_table
from kfine.errors import DataError
from kfine.recipe import load_recipe, recipe_names

_USUAL = "image_classification"
_FILES, _ROWS = 2000, 50


def guess_recipe(data: str) -> str:
    """The recipe for most of the files that a folder holds or a table names.

    Recipes say with `EXAMPLES` which endings theirs have, and with `COLUMNS` which columns of a
    table are theirs alone.

    Raises:
        DataError: There is no such file or folder, or no recipe is known for what it holds.
    """
    path = Path(data).expanduser()
    if not path.exists():
        if data.isidentifier() or ":" in data:  # digits, tfds:NAME
            return _USUAL
        raise DataError(f"There is no file or folder {data}.")
    by_columns = _with_columns(path)
    if by_columns:
        return by_columns
    known = {
        ending: name
        for name in recipe_names()
        for ending in getattr(load_recipe(name), "EXAMPLES", ())
    }
    counted = Counter(known[one] for one in _endings(path, known) if one in known)
    if not counted:
        raise DataError(
            f"{data} holds no files of a kind that is known; name the recipe that reads them with "
            f"--recipe: {', '.join(recipe_names())}"
        )
    return counted.most_common(1)[0][0]


def _with_columns(path: Path) -> str:
    """The recipe that claims the columns of a table, or of one in a folder; empty if none does."""
    tables = [path] if path.suffix.lower() in SUFFIXES and path.is_file() else []
    tables = tables or (tables_in(path) if path.is_dir() else [])
    if not tables:
        return ""
    try:
        columns = set(read_table(tables[0]).columns)
    except DataError:  # It may lie beside what is looked for.
        return ""
    for name in recipe_names():
        claimed = getattr(load_recipe(name), "COLUMNS", ())
        if any(set(one) <= columns for one in claimed):
            return name
    return ""


def _endings(path: Path, known: Container[str]) -> list[str]:
    if path.is_file():
        return _of_table(path)
    tables = tables_in(path)
    files = (one for one in path.rglob("*") if not is_clutter(one.name) and one.is_file())
    found = [one.suffix.lower() for one in islice(files, _FILES)]
    # A page that explains the data is none of it.
    others = [one for one in found if one in known and one not in SUFFIXES]
    return others or [ending for table in tables for ending in _of_table(table)]


def _of_table(path: Path) -> list[str]:
    """Endings of the files that a table names, or its own where it holds the examples."""
    if path.suffix.lower() not in SUFFIXES:
        return [path.suffix.lower()]
    rows = read_table(path).rows[:_ROWS]
    named = [cell_text(row.cells[PATH]) for row in rows if PATH in row.cells]
    return [Path(one).suffix.lower() for one in named] or [path.suffix.lower()]
