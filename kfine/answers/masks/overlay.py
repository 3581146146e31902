"""Masks as pictures: each class in a colour of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kfine.answers.masks.mask import IGNORED

# Told apart by most people who see colours otherwise too: Okabe and Ito, 2008, and darker ones.
_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (117, 112, 179),
    (102, 166, 30),
    (166, 86, 40),
    (153, 153, 153),
    (64, 64, 64),
)
_OPACITY = 0.55


def colour_of(place: int) -> tuple[int, int, int]:
    """Red, green and blue of the class of some number: the same in every picture."""
    red, green, blue = _COLOURS[place % len(_COLOURS)]
    # More classes than colours come again, darker each time.
    darker = 0.6 ** (place // len(_COLOURS))
    return int(red * darker), int(green * darker), int(blue * darker)


def palette() -> NDArray[np.uint8]:
    """The colour of each number, uint8 `(256, 3)`."""
    return np.array([colour_of(place) for place in range(IGNORED + 1)], np.uint8)


def over_image(image: NDArray[np.uint8], numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image with its classes over it; where none is, the image as it is.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        numbers: uint8 `(height, width)`; 255 is no class.
    """
    mixed = (1 - _OPACITY) * image + _OPACITY * palette()[numbers].astype(np.float32)
    shown = np.where((numbers == IGNORED)[:, :, None], image, mixed)
    return np.rint(shown).astype(np.uint8)
