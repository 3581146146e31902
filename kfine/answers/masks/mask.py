"""One mask: the class of each pixel of an image, in a file of its own."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kfine.answers.masks.legend import BORDER, Legend
from kfine.data.files import format_of, read_file
from kfine.errors import DataError

# Of a pixel that takes no part in losses and scores.
IGNORED = 255
_MOST_PIXELS = 2_000_000
_FORMATS = ("PNG", "BMP", "GIF", "TIFF", "WEBP")


@dataclass(frozen=True)
class Pixels:
    """What a mask's file holds: a value a pixel, a colour, or both where it has a palette.

    Attributes:
        values: uint8 `(height, width)`; `None` where pixels have colours only.
        colours: uint8 `(height, width, 3)`; `None` where pixels have values only.
    """

    values: NDArray[np.uint8] | None
    colours: NDArray[np.uint8] | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        found = self.values if self.values is not None else self.colours
        assert found is not None
        return int(found.shape[0]), int(found.shape[1])


@dataclass(frozen=True)
class Mask:
    """The truth of one image.

    Attributes:
        path: Its file.
        legend: What its pixels stand for; read from elsewhere.
        size: Height and width in pixels, those of the image.
        counts: Class -> its pixels, of those that are in it, in the order of the legend.
        digest: SHA-256 of the file.
    """

    path: Path
    legend: Legend = field(default_factory=Legend, compare=False, repr=False)
    size: tuple[int, int] = (0, 0)
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)
    digest: str = field(default="", compare=False)

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the classes in it."""
        return tuple(self.counts)

    @property
    def written(self) -> str:
        """Equal for equal masks."""
        return self.digest

    def numbers(self, names: tuple[str, ...]) -> NDArray[np.uint8]:
        """uint8 `(height, width)`: the number of each pixel's class among `names`; 255 for none.

        Raises:
            DataError: The file has changed into something else.
        """
        try:
            return numbered(read_pixels(read_file(self.path)), self.legend, names)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from None


def open_mask(path: Path, legend: Legend) -> Mask:
    """Read a mask and find out what is in it.

    Raises:
        DataError: A short reason without the name, such as a value without a class.
    """
    content = read_file(path)
    pixels = read_pixels(content)
    numbers = numbered(pixels, legend, legend.names)
    counts = counted(numbers, legend.names)
    return Mask(path, legend, pixels.size, counts, hashlib.sha256(content).hexdigest())


def counted(numbers: NDArray[np.uint8], names: Sequence[str]) -> dict[str, int]:
    """Class -> its pixels, of those that are there.

    Args:
        numbers: `(height, width)` numbers of classes; 255 for none.
        names: Of the classes.
    """
    found = np.bincount(numbers.ravel(), minlength=IGNORED + 1)
    return {name: int(n) for name, n in zip(names, found, strict=False) if n}


def read_pixels(content: bytes) -> Pixels:
    """Decode a mask: grey values, a palette, or colours.

    Raises:
        DataError: A short reason without the name.
    """
    from PIL import Image as pillow

    if format_of(content[:16]) == "JPEG":
        raise DataError("a mask as JPEG has no exact values: save masks as PNG")
    try:
        with pillow.open(io.BytesIO(content), formats=_FORMATS) as image:
            image.load()
            return _pixels(image)
    except DataError:
        raise
    # Pillow's readers raise whatever a damaged file makes them stumble over.
    except Exception:
        raise DataError("its mask is damaged, or no PNG, BMP, GIF, TIFF or WebP") from None


def _pixels(image: Any) -> Pixels:
    if image.mode == "P":
        return Pixels(np.array(image, np.uint8), np.array(image.convert("RGB"), np.uint8))
    if image.mode in ("L", "1"):
        return Pixels(np.array(image, np.uint8), None)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        levels = np.array(image)
        if levels.min() < 0 or levels.max() > 255:
            raise DataError(f"its mask has values up to {levels.max():g}: 255 is the most")
        return Pixels(levels.astype(np.uint8), None)
    colours = np.array(image.convert("RGB"), np.uint8)
    grey = (colours == colours[:, :, :1]).all()
    return Pixels(colours[:, :, 0] if grey else None, colours)


def numbered(pixels: Pixels, legend: Legend, names: tuple[str, ...]) -> NDArray[np.uint8]:
    """The number of each pixel's class among `names`, uint8 `(height, width)`; 255 for none.

    Raises:
        DataError: A value or colour that the legend does not have.
    """
    place = {name: number for number, name in enumerate(names)}
    if pixels.values is not None and (legend.values or pixels.colours is None):
        table = np.full(256, IGNORED, np.uint8)
        known = np.zeros(256, bool)
        # The border of PASCAL VOC belongs to no class.
        known[BORDER] = True
        for value, name in legend.values.items():
            known[value] = True
            table[value] = place.get(name, IGNORED)
        strange = np.flatnonzero((np.bincount(pixels.values.ravel(), minlength=256) > 0) & ~known)
        if len(strange):
            raise DataError(f"its mask has the value {strange[0]}, which no class has")
        return table[pixels.values]
    assert pixels.colours is not None
    codes = _codes(pixels.colours)
    found, inverse = np.unique(codes, return_inverse=True)
    chosen = np.full(len(found), IGNORED, np.uint8)
    by_code = {red << 16 | green << 8 | blue: n for (red, green, blue), n in legend.colours.items()}
    for index, code in enumerate(found.tolist()):
        if code not in by_code:
            colour = code >> 16, code >> 8 & 255, code & 255
            hint = (
                "" if legend.colours else ": a labelmap.txt or class_dict.csv says which is which"
            )
            raise DataError(f"its mask has the colour {colour}, which no class has{hint}")
        chosen[index] = place.get(by_code[code], IGNORED)
    return chosen[inverse].reshape(codes.shape)


def _codes(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    wide = colours.astype(np.int32)
    return wide[:, :, 0] << 16 | wide[:, :, 1] << 8 | wide[:, :, 2]


def largest_at(confidences: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The class with the most confidence at another size, between whose pixels is interpolated.

    Of a photo with more than two megapixels at that many, each of its pixels then the nearest.

    Args:
        confidences: `(height, width, classes)`.
        size: Height and width.
    """
    from PIL import Image as pillow

    factor = min(1.0, (_MOST_PIXELS / (size[0] * size[1])) ** 0.5)
    inner = max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
    if confidences.shape[:2] == inner:
        return resized(confidences.argmax(axis=-1).astype(np.uint8), size)
    most = np.full(inner, -1, np.float32)
    numbers = np.zeros(inner, np.uint8)
    # One class at a time: a map for each at the size of a photo may not fit into memory.
    for number in range(confidences.shape[2]):
        plane = pillow.fromarray(np.ascontiguousarray(confidences[:, :, number], np.float32))
        one = np.asarray(plane.resize(inner[::-1], pillow.Resampling.BILINEAR))
        larger = one > most
        most[larger], numbers[larger] = one[larger], number
    return resized(numbers, size)


def resized(numbers: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Numbers of classes at another size, each pixel that of the nearest one; half-pixel centres.

    Args:
        numbers: `(height, width)`.
        size: Height and width.
    """
    if numbers.shape == size:
        return numbers
    rows, columns = (
        np.minimum((np.arange(new) + 0.5) * old / new, old - 1).astype(np.intp)
        for old, new in zip(numbers.shape, size, strict=True)
    )
    return numbers[rows[:, None], columns]
