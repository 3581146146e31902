"""What counts as white in a data set of images with more than 8 bits: one value for all of them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kfine.data.files import format_of, read_file
from kfine.data.records import Record
from kfine.errors import DataError
from kfine.inputs.image.pixels import deep_levels

# Of floats, and of cameras and microscopes with 8, 10, 12, 14 and 16 bits.
LEVELS = (1, 255, 1023, 4095, 16383, 65535)
# Levels may pass white by so much before it is another one: filters overshoot.
_OVERSHOOT = 1.1


@dataclass(frozen=True)
class White:
    """What was found.

    Attributes:
        value: What counts as white.
        count: How many images have more than 8 bits.
        largest: Their largest level.
    """

    value: float
    count: int
    largest: float

    def note(self) -> str:
        """A sentence for the user."""
        return (
            f"{self.count} images have floats or more than 8 bits, up to {self.largest:g}: "
            f"{self.value:g} counts as white in all of them (--white)"
        )


def find_white(records: Iterable[Record]) -> White | None:
    """The white of a data set, by the levels that almost all of its images stay below.

    Args:
        records: The examples; of most kinds of file only the head is read.

    Returns:
        `None` where no image has more than 8 bits.
    """
    tops, largest = [], 0.0
    for record in records:
        levels = _levels_of(record)
        if levels is not None and levels.size:
            # A few hot pixels, or images, are not what the others are measured by.
            tops.append(float(np.quantile(levels, 0.999)))
            largest = max(largest, float(levels.max()))
    if not tops:
        return None
    typical = float(np.quantile(tops, 0.95)) / _OVERSHOOT
    value = next((one for one in LEVELS if typical <= one), 2 ** int(typical).bit_length() - 1)
    return White(float(value), len(tops), largest)


def _levels_of(record: Record) -> np.ndarray | None:
    """The levels of an example of more than 8 bits; what cannot be read is named elsewhere."""
    from PIL import Image as pillow

    if record.array is not None:
        return None
    try:
        if record.content is not None:
            content = record.content()
        elif record.path is not None and _may_be_deep(record):
            content = read_file(record.path)
        else:
            return None
        if not _is_deep(content):
            return None
        with pillow.open(io.BytesIO(content), formats=("PNG", "TIFF")) as image:
            return deep_levels(image)
    # Whatever a damaged file makes Pillow's readers stumble over.
    except Exception:
        return None


def _may_be_deep(record: Record) -> bool:
    assert record.path is not None
    try:
        with record.path.open("rb") as file:
            return _is_deep(file.read(32))
    except OSError as error:
        raise DataError(str(error)) from None


def _is_deep(head: bytes) -> bool:
    """Whether a file may have more than 8 bits: a TIFF, or a PNG that says so."""
    found = format_of(head[:16])
    if found == "PNG" and len(head) > 25:
        depth, colours = struct.unpack("BB", head[24:26])
        return bool(depth == 16 and colours == 0)
    return found == "TIFF"
