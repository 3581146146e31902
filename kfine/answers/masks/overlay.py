"""Masks as pictures: each class in a colour of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kfine.answers.masks.mask import IGNORED
from kfine.drawing.colours import colour_of

_OPACITY = 0.55


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
