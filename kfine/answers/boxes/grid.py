"""From the numbers that a detector gives for each place of an image to boxes, in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Left alone, the size of a box overflows where training goes wrong.
_LARGEST = 8.0


def places_of(
    size: tuple[int, int], levels: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The corners and the steps of all places, level by level, row by row.

    Args:
        size: Height and width of the image in pixels.
        levels: Rows and columns of each level of features.

    Returns:
        x and y of the upper left corner of each place in pixels, `(places, 2)`, and its width and
        height, `(places, 2)`.
    """
    corners, steps = [], []
    for rows, columns in levels:
        step = np.array([size[1] / columns, size[0] / rows], np.float32)
        y, x = np.mgrid[:rows, :columns]
        corners.append(np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32) * step)
        steps.append(np.broadcast_to(step, (rows * columns, 2)))
    return np.concatenate(corners), np.concatenate(steps).astype(np.float32)


def boxes_of(outputs: Any, size: tuple[int, int], levels: Sequence[tuple[int, int]]) -> Any:
    """Left, top, right and bottom in pixels `(batch, places, 4)`.

    The first four numbers of each place are the box: its centre from the place's corner in steps,
    and the logarithm of its width and height in steps, as in YOLOX (Ge et al., 2021,
    https://arxiv.org/abs/2107.08430).

    Args:
        outputs: float32 `(batch, places, 5 + classes)`.
        size: Height and width of the image in pixels.
        levels: Rows and columns of each level of features.
    """
    import keras

    corners, steps = places_of(size, levels)
    # All numbers are scaled before some are taken: LiteRT would give the parts of a tensor, and
    # what it is made of, the range of the narrowest.
    scaled = outputs * np.pad(steps, ((0, 0), (0, outputs.shape[-1] - 2)), constant_values=1)
    middle = scaled[..., :2] + corners
    half = keras.ops.exp(keras.ops.minimum(scaled[..., 2:4], _LARGEST)) * (steps / 2)
    return keras.ops.concatenate([middle - half, middle + half], axis=-1)


def scores_of(outputs: Any) -> Any:
    """The confidence in each class, `(batch, places, classes)`: there is something, and it is."""
    import keras

    likely = keras.ops.sigmoid(outputs)
    return likely[..., 4:5] * likely[..., 5:]


def overlaps_of(one: Any, other: Any) -> Any:
    """Intersection over union of `(..., n, 4)` boxes with `(..., m, 4)`: `(..., n, m)`."""
    import keras

    return overlap_of(keras.ops.expand_dims(one, -2), keras.ops.expand_dims(other, -3))


def overlap_of(one: Any, other: Any) -> Any:
    """Intersection over union of `(..., 4)` boxes with others, one by one: `(...)`."""
    import keras

    ops = keras.ops
    low = ops.maximum(one[..., :2], other[..., :2])
    high = ops.minimum(one[..., 2:], other[..., 2:])
    both = ops.prod(ops.maximum(high - low, 0), axis=-1)
    own, others = (ops.prod(ops.maximum(x[..., 2:] - x[..., :2], 0), -1) for x in (one, other))
    return both / ops.maximum(own + others - both, 1e-9)
