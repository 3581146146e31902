"""The one preprocessing that training, evaluation and the exported graph share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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

    image_size: tuple[int, int]
    scale: tuple[float, ...] = (1 / 255,)
    offset: tuple[float, ...] = (0.0,)

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
