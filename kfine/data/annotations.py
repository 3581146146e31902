"""Annotation files and the images that they speak of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kfine.data.files import is_clutter
from kfine.data.records import split_named
from kfine.errors import DataError

# Endings of images, in lower case.
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif")
# Where an image may lie, from the folder of what speaks of it.
_BESIDE = (".", "images", "..", "../images", "../JPEGImages", "../{stem}", "../images/{stem}")


def files_below(root: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    """Files of a folder and of those below it, in order, without clutter.

    Args:
        root: The folder.
        endings: In lower case, each with its dot.

    Raises:
        DataError: A folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}")

    for folder, inner, names in os.walk(root, onerror=refuse):
        inner[:] = sorted(one for one in inner if not is_clutter(one))
        for name in sorted(names):
            if not is_clutter(name) and name.lower().endswith(endings):
                yield Path(folder, name)


def split_of(path: Path, root: Path) -> str | None:
    """The split that the name of a file says, or that of a folder above it: the nearest."""
    words = [*path.stem.replace("-", "_").split("_"), *path.relative_to(root).parts[-2::-1]]
    return next(filter(None, map(split_named, words)), None)


def image_beside(path: Path, written: str) -> Path | None:
    """The image that an annotation file means, where it is there.

    Args:
        path: The annotation file.
        written: The image's name, or a path from the annotation file.
    """
    places = [path.parent / one.format(stem=path.stem) / written for one in _BESIDE]
    return next((one.resolve() for one in places if one.is_file()), None)


def upright_size(path: Path | None) -> tuple[int, int] | None:
    """Height and width of an upright image; `None` where it cannot be read, which is said later."""
    from PIL import Image

    assert path is not None
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) >= 5
    except Exception:  # Pillow raises what a damaged file makes it stumble over.
        return None
    return (width, height) if turned else (height, width)


def in_pixels(size: tuple[int, int]) -> str:
    """A height and width in words."""
    return f"{size[1]} x {size[0]} pixels"
