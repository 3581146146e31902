"""The images that a user asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kfine.data.records import Image
from kfine.inputs.walking import Files


class Images(Files):
    """Image files; a folder stands for all files below it. Photos are large: few are held.

    Args:
        given: Files and folders.
        white: As in `decode_image`.

    Raises:
        DataError: A path is missing.
    """

    def __init__(self, given: Sequence[str | Path], white: float | None = None) -> None:
        def decode(path: Path) -> list[Image]:
            from kfine.inputs.image.pixels import decode_image

            return [decode_image(path, white)]

        super().__init__(given, "image", decode)
