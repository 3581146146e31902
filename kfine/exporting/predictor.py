"""What every loaded export has in common: labels, facts, and images to probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kfine.data.images import resize_image
from kfine.errors import ExportError
from kfine.exporting.metadata import read_metadata

# In pixels; what a damaged file wants may be absurd.
_LARGEST_SIDE = 8192


class Predictor(ABC):
    """A loaded export.

    Args:
        path: The file or folder.
        threads: CPU threads of the runtime, all cores if `None`.
        trusted: Whether it may be loaded without being tried in another process first.

    Attributes:
        path: The file or folder.
        labels: Class names in the order of the probabilities.
        info: The facts attached at export.
        image_size: Height and width in pixels that the file wants, `None` for any.

    Raises:
        ExportError: It is missing, damaged, or not exported by kfine.
    """

    image_size: tuple[int, int] | None = None
    # Whether the runtime can be brought down by a damaged file.
    fragile = True

    def __init__(self, path: Path, threads: int | None = None, *, trusted: bool = False) -> None:
        self.path = path
        self.labels, self.info = read_metadata(path)
        if self.fragile and not trusted:
            from kfine.exporting.probe import require_harmless

            require_harmless(path)
        self.image_size = self._load(threads)
        if self.image_size:
            self._check_size(self.image_size)

    @property
    def trained_size(self) -> tuple[int, int]:
        """Height and width in pixels of the images that the model was trained on.

        Raises:
            ExportError: The file states none, or an absurd one.
        """
        try:
            height, width = self.image_size or self.info["preprocessing"]["image_size"]
            return self._check_size((int(height), int(width)))
        except (KeyError, TypeError, ValueError) as error:
            raise ExportError(f"{self.path} is damaged: it states no image size.") from error

    def predict(self, images: Iterable[np.ndarray]) -> np.ndarray:
        """Run images one by one.

        Args:
            images: uint8 RGB `(height, width, 3)`, sizes may differ; a file of fixed size gets
                them resized as in training.

        Returns:
            float32 probabilities `(images, classes)`.

        Raises:
            ExportError: If an image is not uint8 RGB, or the file fails to run.
        """
        rows = [self._row(image) for image in images]
        return np.stack(rows) if rows else np.zeros((0, len(self.labels)), np.float32)

    def _row(self, image: np.ndarray) -> np.ndarray:
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ExportError(
                "An image to predict must be uint8 (height, width, 3); "
                f"received {image.dtype} {image.shape}."
            )
        if self.image_size and image.shape[:2] != self.image_size:
            image = resize_image(image, self.image_size)
        try:
            found = np.array(self._run(image[None]), np.float32)
        except MemoryError:
            raise
        # Each runtime has errors of its own; ONNX Runtime's inherit from nothing but Exception.
        except Exception as error:
            reason = first_line(error)
            raise ExportError(f"{self.path} loads but does not run: {reason}.") from error
        if found.shape != (1, len(self.labels)):
            raise ExportError(
                f"{self.path} is damaged: it has {len(self.labels)} labels and gives {found.shape}."
            )
        row: np.ndarray = found[0]
        return row

    def _check_size(self, size: tuple[int, int]) -> tuple[int, int]:
        if not all(0 < side <= _LARGEST_SIDE for side in size):
            raise ExportError(
                f"{self.path} wants images of {size[0]} x {size[1]} pixels: it is damaged."
            )
        return size

    @abstractmethod
    def _load(self, threads: int | None) -> tuple[int, int] | None:
        """Load the model and return the height and width that it wants, `None` for any."""

    @abstractmethod
    def _run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 `(1, height, width, 3)` to float32 `(1, classes)`."""


def first_line(error: Exception) -> str:
    """The first line of an error's message without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
