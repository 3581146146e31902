"""The images that a user asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.errors import DataError
from kfine.inputs.walking import AT_ONCE, files_below


class Images:
    """Image files; a folder stands for all files below it.

    Args:
        given: Files and folders.
        white: As in `decode_image`.

    Raises:
        DataError: A path is missing.
    """

    def __init__(self, given: Sequence[str | Path], white: float | None = None) -> None:
        self._white = white
        self._paths = list(_image_paths(given))

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Decode images; photos are large, so only a few are held at a time."""
        from kfine.inputs.image.pixels import decode_image

        for start in range(0, len(self._paths), AT_ONCE):
            names, images = [], []
            for path in self._paths[start : start + AT_ONCE]:
                try:
                    images.append(decode_image(path, self._white))
                    names.append(str(path))
                except DataError as error:
                    console.warn(f"set aside {path}: {error}")
            yield names, images


def _image_paths(given: Sequence[str | Path]) -> Iterator[Path]:
    for one in given:
        path = Path(one)
        if path.is_dir():
            yield from files_below(path)
        elif path.exists():
            yield path
        else:
            raise DataError(f"There is no image {path}.")
