"""The one preprocessing that training, evaluation and the exported graph share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Preprocessing:
    """From raw RGB to what a backbone expects, in operations that LiteRT has built in.

    The whole image is resized with plain bilinear interpolation (half-pixel centres, no
    antialiasing: the antialiased and bicubic kinds need Flex ops on a phone), then
    `image * scale + offset`.

    Attributes:
        image_size: Height and width in pixels.
        scale: One factor, or one per RGB channel.
        offset: One summand, or one per RGB channel.
    """

    medium = "image"

    image_size: tuple[int, int]
    scale: tuple[float, ...] = (1 / 255,)
    offset: tuple[float, ...] = (0.0,)

    @property
    def prepare(self) -> Callable[[Any], Any]:
        """From a batch of stored images to the model's input."""
        return self.normalize

    def rows(self, images: Any) -> Any:
        """What is stored of some examples: images are, as they were decoded."""
        return images

    def encode(self, images: Sequence[Any]) -> Any:
        """Images of any size, uint8 RGB, as they are stored: `(images, height, width, 3)`."""
        import numpy as np

        from kfine.data.images import resize_image

        return np.stack([resize_image(image, self.image_size) for image in images])

    def lengths(self, rows: Any) -> None:
        """How far each row reaches; images have no padding."""

    def save(self, run: Path) -> None:
        """Write files into a run folder: there are none beside the description."""

    def resize(self, images: Any) -> Any:
        """Resize `(batch, height, width, 3)` images of any dtype to float32 of `image_size`."""
        import tensorflow as tf

        return tf.image.resize(images, self.image_size, method="bilinear", antialias=False)

    def normalize(self, images: Any) -> Any:
        """Map float32 images in 0..255 to the backbone's range; any leading shape."""
        import tensorflow as tf

        scale = tf.constant(self.scale, tf.float32)
        return tf.cast(images, tf.float32) * scale + tf.constant(self.offset, tf.float32)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description, read back by `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Read what `to_dict` wrote."""
        height, width = values["image_size"]
        return cls((height, width), tuple(values["scale"]), tuple(values["offset"]))


def read_preprocessing(values: dict[str, Any], folder: Path) -> Any:
    """The preprocessing of a run, of the medium that it is for.

    Args:
        values: What `to_dict` gave.
        folder: Where its files are, if it has any.
    """
    if values.get("medium") == "text":
        from kfine.models.text_kinds import KINDS

        return KINDS[values["kind"]].read(values, folder)
    return Preprocessing.from_dict(values)
