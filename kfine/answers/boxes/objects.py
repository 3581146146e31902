"""The objects of one image: as they are, and as a model finds them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# Intersection over union from which a box is right, as COCO has them.
OVERLAPS = np.linspace(0.5, 0.95, 10).astype(np.float32)
# More are not looked for, and COCO counts no more.
MOST = 100
# Surer ones are given; what counts as found lies far above.
LEAST = 0.01
# From that confidence on an object counts as found, where validation has not chosen another.
THRESHOLD = 0.5
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Boxed:
    """The truth of one image.

    Attributes:
        boxes: Left, top, right and bottom of each object in pixels of the image.
        classes: The name of its class.
        size: Height and width of the image in pixels.
    """

    boxes: tuple[Box, ...] = field(repr=False)
    classes: tuple[str, ...]
    size: tuple[int, int]

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the classes in it."""
        return tuple(sorted(set(self.classes)))

    @cached_property
    def written(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(repr((self.boxes, self.classes, self.size)).encode()).hexdigest()

    @property
    def relative(self) -> NDArray[np.float32]:
        """`(objects, 4)`: left, top, right and bottom as fractions of width and height."""
        return np.array(self.boxes, np.float32).reshape(-1, 4) / scale_of(self.size)


@dataclass(frozen=True)
class Detections:
    """What was found in one image, the surest first.

    Attributes:
        boxes: float32 `(objects, 4)`: left, top, right and bottom as fractions of width and height.
        classes: int `(objects,)` numbers of classes.
        scores: float32 `(objects,)` confidences, 0 to 1.
        size: Height and width of the image in pixels, where they are known.
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]
    size: tuple[int, int] | None = None

    def above(self, threshold: float) -> Detections:
        """Those with a confidence of at least `threshold`."""
        sure = self.scores >= threshold
        return replace(
            self, boxes=self.boxes[sure], classes=self.classes[sure], scores=self.scores[sure]
        )


def scale_of(size: tuple[int, int]) -> NDArray[np.float32]:
    """Width, height, width and height: what relative boxes are multiplied by."""
    height, width = size
    return np.array([width, height, width, height], np.float32)


def overlaps(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of each of `(n, 4)` boxes with each of `(m, 4)`: `(n, m)`."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=-1)
    total = areas(one)[:, None] + areas(other)[None] - both
    found: NDArray[np.float32] = both / np.maximum(total, 1e-12)
    return found


def areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The areas of `(n, 4)` boxes, in the square of their unit."""
    found: NDArray[np.float32] = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=-1)
    return found
