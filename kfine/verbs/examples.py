"""What `predict` is asked for: arguments to named examples, read a few at a time."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.data.tables import SUFFIXES as TABLES
from kfine.errors import ConfigError, DataError

AT_ONCE = 32
_TEXT_FILES = (".txt", *TABLES)
# A text of this many characters is no path.
_LONGEST_PATH = 1024


class Examples(ABC):
    """Examples to predict.

    Attributes:
        medium: `image` or `text`.
    """

    medium: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Names and raw examples, a few at a time; what cannot be read is named and left out."""


class Images(Examples):
    """Image files; a folder stands for all files below it.

    Raises:
        DataError: A path is missing.
    """

    medium = "image"

    def __init__(self, given: Sequence[str | Path]) -> None:
        self._paths = list(_image_paths(given))

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Decode images; photos are large, so only a few are held at a time."""
        from kfine.data import decode_image

        for start in range(0, len(self._paths), AT_ONCE):
            names, images = [], []
            for path in self._paths[start : start + AT_ONCE]:
                try:
                    images.append(decode_image(path))
                    names.append(str(path))
                except DataError as error:
                    console.warn(f"set aside {path}: {error}")
            yield names, images


def _image_paths(given: Sequence[str | Path]) -> Iterator[Path]:
    for one in given:
        path = Path(one)
        if path.is_dir():
            yield from _files_below(path)
        elif path.exists():
            yield path
        else:
            raise DataError(f"There is no image {path}.")


class Texts(Examples):
    """Texts as they are, in files, or from standard input.

    Args:
        given: Each a text; a `.txt` file, which holds one; a table (CSV, TSV, JSONL); a folder,
            which stands for the `.txt` files below it; or `-`, one text per line of standard
            input.
        column: Of the texts in tables; guessed if omitted.

    Raises:
        DataError: A file is missing or cannot be read.
    """

    medium = "text"

    def __init__(self, given: Sequence[str | Path], column: str | None = None) -> None:
        self._texts: list[tuple[str, str]] = []
        for one in given:
            self._texts += self._read(one, column)

    def _read(self, given: str | Path, column: str | None) -> list[tuple[str, str]]:
        if given == "-":
            lines = [line.rstrip("\n") for line in sys.stdin]
            return [(f"line {n}", line) for n, line in enumerate(lines, start=1) if line.strip()]
        path = _path_of(given)
        if path is None:
            return [(str(given), str(given))]
        if path.is_dir():
            files = [file for file in _files_below(path) if file.suffix.lower() == ".txt"]
            if not files:
                raise DataError(f"The folder {path} holds no .txt file.")
            return [(str(file), _text_of(file)) for file in files]
        if path.suffix.lower() in TABLES:
            return _texts_of_table(path, column)
        return [(str(path), _text_of(path))]

    def __len__(self) -> int:
        return len(self._texts)

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Texts by the number that go through a model together; empty ones are left out."""
        for start in range(0, len(self._texts), AT_ONCE):
            names, texts = [], []
            for name, text in self._texts[start : start + AT_ONCE]:
                if text.strip():
                    names.append(name)
                    texts.append(text)
                else:
                    console.warn(f"set aside {name or 'a text'}: empty text")
            yield names, texts


def _path_of(given: str | Path) -> Path | None:
    """The file or folder that is meant, or None for a text.

    Raises:
        DataError: It looks like a file that is not there.
    """
    text = str(given)
    if isinstance(given, str) and ("\n" in text or len(text) > _LONGEST_PATH or not text.strip()):
        return None
    path = Path(given)
    try:
        if path.exists():
            return path
    except (OSError, ValueError):
        return None
    if isinstance(given, Path) or (path.suffix.lower() in _TEXT_FILES and len(text.split()) == 1):
        raise DataError(f"There is no file {given}.")
    return None


def _text_of(path: Path) -> str:
    from kfine.data.tables import read_text

    return read_text(path)


def _texts_of_table(path: Path, column: str | None) -> list[tuple[str, str]]:
    from kfine.data.tables import cell_text, read_table
    from kfine.data.text.columns import find_text_column

    table = read_table(path)
    name = find_text_column(table, column)
    return [(f"{path}:{row.line}", cell_text(row.cells.get(name))) for row in table.rows]


def _files_below(folder: Path) -> Iterator[Path]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    yield from (path for path in found if not path.name.startswith("."))


class Questions(Texts):
    """Questions about one context, given as `Texts` are.

    Args:
        given: The questions.
        context: The text that answers them, or the `.txt` file that holds it.

    Raises:
        DataError: A file is missing or cannot be read, or there is no context.
    """

    def __init__(self, given: Sequence[str | Path], context: str | Path | None) -> None:
        super().__init__(given)
        if context is None:
            raise DataError(
                "A question is answered from a text: give the text, or a .txt file that holds it, "
                "with --context."
            )
        path = _path_of(context)
        self._context = str(context) if path is None else _text_of(path)
        if not self._context.strip():
            raise DataError(f"The context {context} is empty.")

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Questions with the context, by the number that go through a model together."""
        from kfine.data.text.squad import Question

        for names, texts in super().read(console):
            yield names, [Question(text, None, text, self._context, (), False) for text in texts]


def examples_of(
    described: Mapping[str, Any],
    given: Sequence[str | Path],
    *,
    column: str | None = None,
    context: str | Path | None = None,
) -> Examples:
    """What a model is asked for.

    Args:
        described: What its preprocessing says of itself.
        given: What was asked.
        column: Of the texts in tables.
        context: Of questions.

    Raises:
        ConfigError: There is a context where nobody asks a question.
        DataError: There is nothing, or a path is missing.
    """
    medium, kind = described.get("medium", "image"), described.get("kind")
    if context is not None and kind != "windows":
        raise ConfigError("A context is for a model that answers questions; this one does not.")
    found: Examples
    if kind == "windows":
        found = Questions(given, context)
    else:
        found = Texts(given, column) if medium == "text" else Images(given)
    if not len(found):
        raise DataError(f"There are no {found.medium}s to predict.")
    return found


def is_list(example: str) -> bool:
    """Whether one argument stands for many examples: a folder, a table, or standard input."""
    path = Path(example)
    return example == "-" or path.suffix.lower() in TABLES or path.is_dir()
