"""The recordings that a user asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.errors import DataError
from kfine.inputs.walking import files_below

# Recordings may be hours long.
_AT_ONCE = 4


class Sounds:
    """Sound files; a folder stands for all files below it.

    Args:
        given: Files and folders.
        channel: As in `decode_sound`.

    Raises:
        DataError: A path is missing.
    """

    def __init__(self, given: Sequence[str | Path], channel: str) -> None:
        self._channel = channel
        self._paths = list(_paths(given))

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Decode recordings, a few at a time."""
        from kfine.inputs.audio.decoding import decode_sound

        for start in range(0, len(self._paths), _AT_ONCE):
            names, sounds = [], []
            for path in self._paths[start : start + _AT_ONCE]:
                try:
                    sounds.append(decode_sound(path, self._channel).samples)
                    names.append(str(path))
                except DataError as error:
                    console.warn(f"set aside {path}: {error}")
            yield names, sounds


def _paths(given: Sequence[str | Path]) -> Iterator[Path]:
    for one in given:
        path = Path(one)
        if path.is_dir():
            yield from files_below(path)
        elif path.exists():
            yield path
        else:
            raise DataError(f"There is no recording {path}.")
