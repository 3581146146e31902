"""Files below a folder, and how many examples are read at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.data.files import is_clutter
from kfine.data.tables import SUFFIXES
from kfine.errors import DataError

AT_ONCE = 32


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder in the order of their paths, without hidden and system files."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    yield from (path for path in found if not any(map(is_clutter, path.relative_to(folder).parts)))


class Files:
    """Files that a user asks for; a folder stands for all files below it.

    Args:
        given: Files and folders.
        noun: What each is, in messages.
        decode: From a file to its examples; raises a `DataError` where it cannot be read.
        at_once: Files that are held at a time.

    Raises:
        DataError: A path is missing.
    """

    def __init__(
        self,
        given: Sequence[str | Path],
        noun: str,
        decode: Callable[[Path], list[Any]],
        at_once: int = AT_ONCE,
    ) -> None:
        self._decode = decode
        self.at_once = at_once
        self._paths: list[Path] = []
        for one in given:
            path = Path(one)
            if not path.exists():
                raise DataError(f"There is no {noun} {path}.")
            self._paths += files_below(path) if path.is_dir() else [path]

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Decode them, a few at a time; what cannot be read is named and left out."""
        for start in range(0, len(self._paths), self.at_once):
            names: list[str] = []
            examples: list[Any] = []
            for path in self._paths[start : start + self.at_once]:
                try:
                    found = self._decode(path)
                except DataError as error:
                    console.warn(f"set aside {path}: {error}")
                    continue
                examples += found
                names += [str(path)] * len(found)
            yield names, examples


def is_list(example: str) -> bool:
    """Whether one argument stands for many examples: a folder, a table, or standard input."""
    path = Path(example)
    return example == "-" or path.suffix.lower() in SUFFIXES or path.is_dir()
