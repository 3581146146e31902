"""The texts that a user asks for, and the questions about one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.data.tables import SUFFIXES as TABLES
from kfine.errors import ConfigError, DataError
from kfine.inputs import Examples, Request
from kfine.inputs.text.examples import Question
from kfine.inputs.walking import AT_ONCE, files_below

_TEXT_FILES = (".txt", *TABLES)
# A text of this many characters is no path.
_LONGEST_PATH = 1024


def requested(request: Request, *, questions: bool) -> Examples:
    """What a request stands for.

    Raises:
        ConfigError: There is a context where nobody asks a question.
        DataError: A file is missing or cannot be read, or a question has no context.
    """
    if questions:
        return Questions(request.given, request.context)
    refuse_context(request)
    return Texts(request.given, request.column)


def refuse_context(request: Request) -> None:
    """Refuse a context where nobody asks a question.

    Raises:
        ConfigError: There is one.
    """
    if request.context is not None:
        raise ConfigError("A context is for a model that answers questions; this one does not.")


class Texts:
    """Texts as they are, in files, or from standard input.

    Args:
        given: Each a text; a `.txt` file, which holds one; a table (CSV, TSV, JSONL); a folder,
            which stands for the `.txt` files below it; or `-`, one text per line of standard
            input.
        column: Of the texts in tables; guessed if omitted.

    Raises:
        DataError: A file is missing or cannot be read.
    """

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
            files = [file for file in files_below(path) if file.suffix.lower() == ".txt"]
            if not files:
                raise DataError(f"The folder {path} holds no .txt file.")
            return [(str(file), _text_of(file)) for file in files]
        if path.suffix.lower() in TABLES:
            return self._of_table(path, column)
        return [(str(path), _text_of(path))]

    def _of_table(self, path: Path, column: str | None) -> list[tuple[str, str]]:
        return _texts_of_table(path, column)

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
    from kfine.inputs.text.columns import find_text_column

    table = read_table(path)
    name = find_text_column(table, column)
    return [(f"{path}:{row.line}", cell_text(row.cells.get(name))) for row in table.rows]


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
        for names, texts in super().read(console):
            yield names, [Question(text, None, text, self._context, (), False) for text in texts]
