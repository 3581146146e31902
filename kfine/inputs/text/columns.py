"""Which column of a table holds the texts, and which the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfine.data.tables import Table, cell_text
from kfine.errors import DataError

# In the order of preference.
TEXT_NAMES = (
    *("text", "sentence", "content", "review", "message", "comment", "tweet", "body", "document"),
    *("utterance", "sms", "question", "query", "description", "headline", "title", "v2"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "category", "sentiment", "target", "intent", "topic", "emotion"),
    *("polarity", "tag", "rating", "stars", "language", "genre", "v1"),
)
_FILE_NAMES = ("path", "file", "filename", "file_name", "image", "url")
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
# A column with more different cells than this, and than half of its rows, holds no classes.
_FEW = 20


@dataclass(frozen=True)
class Columns:
    """The columns to read, and a sentence on those that were guessed (or nothing)."""

    text: str
    labels: tuple[str, ...]
    note: str = ""


def find_columns(
    table: Table,
    text_column: str | None,
    label_column: str | None,
    label_columns: Sequence[str] = (),
) -> Columns:
    """Take the columns that are named, and guess the others from names and contents.

    Texts are in a column called `text`, `sentence`, `review` or the like, else in the one with
    the longest cells. Labels are in one called `label`, `class`, `sentiment` or the like with
    few different cells, else in the only one with few. Numbers of rows are never labels.

    Args:
        table: The table.
        text_column: That of the texts, if it is named.
        label_column: That of the labels, if it is named.
        label_columns: All that make up a label, where there are several.

    Raises:
        DataError: There is no such column, or it cannot be told which one it is.
    """
    cells = {
        name: [row.cells.get(name) for row in table.rows]
        for name in table.columns
        if name and name != "split"
    }
    if label_columns:
        named = tuple(str(_given(table, one)) for one in label_columns)
        others = {name: found for name, found in cells.items() if name not in named}
        found = _given(table, text_column) or _guessed_text(table.path, others, cells)
        return Columns(found, named)
    text, label = _given(table, text_column), _given(table, label_column)
    if text and text == label:
        raise DataError(f"the column {text!r} of {table.path} cannot hold both texts and labels")
    if label is None:
        label = _named_label({name: cells[name] for name in cells if name != text})
    text = text or _guessed_text(table.path, {n: cells[n] for n in cells if n != label}, cells)
    if label is None:
        label = _guessed_label(table, {name: cells[name] for name in cells if name != text})
    for name in (text, label):
        if table.columns.count(name) > 1:
            raise DataError(f"{table.path} has two columns called {name!r}: rename one of them")
    return Columns(text, (label,), _note(table.path, text, label, text_column, label_column))


def find_text_column(table: Table, written: str | None) -> str:
    """The column of the texts in a table without labels: the one named, or a guess.

    Raises:
        DataError: There is no such column, or none that looks like texts.
    """
    cells = {name: [row.cells.get(name) for row in table.rows] for name in table.columns if name}
    hint = " (text_column names another)"
    return _given(table, written, hint) or _guessed_text(table.path, cells, cells)


def _given(table: Table, written: str | None, hint: str = "") -> str | None:
    if written is None:
        return None
    name = written.strip().lower()
    if name not in table.columns:
        raise DataError(
            f"{table.path} has no column {written!r}; there are: {', '.join(table.columns)}{hint}"
        )
    return name


def _named_label(cells: dict[str, list[Any]]) -> str | None:
    return next((name for name in LABEL_NAMES if name in cells and _are_few(cells[name])), None)


def _guessed_text(
    path: Path, candidates: dict[str, list[Any]], everything: dict[str, list[Any]]
) -> str:
    lengths = {
        name: _mean_length(found)
        for name, found in candidates.items()
        if name not in _FILE_NAMES and not _is_id(name) and _are_words(found)
    }
    for name in TEXT_NAMES:
        if name in lengths:
            return name
    if lengths:
        return max(lengths, key=lambda name: lengths[name])
    reason = f"{path} has no column that looks like texts; there are: {', '.join(everything)}"
    for name, found in everything.items():
        if any(cell_text(cell).lower().endswith(_IMAGE_SUFFIXES) for cell in found[:10]):
            raise DataError(
                f"{reason}, and {name!r} lists image files: the recipe image_classification "
                "reads those"
            )
    raise DataError(f"{reason}; name it with text_column")


def _guessed_label(table: Table, candidates: dict[str, list[Any]]) -> str:
    """By content alone."""
    likely = [
        name
        for name, found in candidates.items()
        if not _is_id(name)
        and name not in (*TEXT_NAMES, *_FILE_NAMES)
        and _are_few(found)
        and 1 < len(_different(found)) < len(found)
    ]
    if len(likely) != 1:
        state = f"{len(likely)} columns that" if likely else "no column that"
        received = ", ".join(likely or table.columns)
        raise DataError(
            f"{table.path} has {state} could be the label"
            f"{': ' if likely else '; there are: '}{received}; name it with label_column"
        )
    if likely[0] in {cell.lower() for cell in _different(candidates[likely[0]])}:
        raise DataError(
            f"the first line of {table.path} looks like an example ({likely[0]!r} is a label "
            "further down too): write the names of the columns above it, such as text,label"
        )
    return likely[0]


def _note(path: Path, text: str, label: str, text_given: object, label_given: object) -> str:
    guessed = []
    if text_given is None and text != "text":
        guessed.append(f"texts are in the column {text!r}")
    if label_given is None and label != "label":
        guessed.append(f"labels are in the column {label!r}")
    if not guessed:
        return ""
    return (
        f"guessed from the names and contents of the columns of {path.name}: "
        f"{' and '.join(guessed)} (text_column and label_column say it otherwise)"
    )


def _is_id(name: str) -> bool:
    name = name.replace(" ", "_")
    return name in ("id", "idx", "index", "no", "nr", "number", "row", "key", "uid", "guid") or (
        name.endswith(("_id", "_idx")) or name.startswith("unnamed:")
    )


def _different(cells: Sequence[Any]) -> set[str]:
    return {cell_text(cell) for cell in cells} - {""}


def _are_few(cells: Sequence[Any]) -> bool:
    """Whether there are so few different cells that they can be classes."""
    return len(_different(cells)) <= max(_FEW, len(cells) / 2)


def _are_words(cells: Sequence[Any]) -> bool:
    """Whether most cells that hold anything are strings that are no numbers."""
    filled = [cell for cell in cells if cell_text(cell)]
    words = sum(isinstance(cell, str) and not _is_number(cell) for cell in filled)
    return not filled or words > len(filled) / 2


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _mean_length(cells: Sequence[Any]) -> float:
    return sum(len(cell_text(cell)) for cell in cells) / len(cells)
