"""The first layer of an exported image model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from kfine.inputs.image.image import Image


class RawImages(keras.layers.Layer):
    """uint8 RGB `(batch, height, width, 3)` to what the backbone expects, in LiteRT builtins.

    Args:
        image: Size in pixels, scale and offset.
        resize: Whether images of any size are resized here; else they must have that size.
    """

    def __init__(self, image: Image, resize: bool) -> None:
        super().__init__(name="raw_images", dtype="float32")
        self.image = image
        self.resize = resize

    def call(self, images: Any) -> Any:
        """Resize, round and normalise."""
        values = tf.cast(images, tf.float32)
        if self.resize:
            # Training reads resized images as whole numbers. Unrounded ones turned one
            # prediction in a hundred, which would be counted against the export.
            values = tf.round(self.image.resize(values))
        return self._normalize(values)

    def _normalize(self, values: Any) -> Any:
        # `Image.normalize` as a 1x1 convolution: a multiply and an add are quantized
        # one after the other, and the product's range costs int8 a third of its levels.
        # Not a depthwise one, whose float kernel is ten times slower.
        scale = np.broadcast_to(np.asarray(self.image.scale, np.float32), 3)
        offset = np.broadcast_to(np.asarray(self.image.offset, np.float32), 3)
        kernel = tf.constant(np.diag(scale)[None, None])
        return tf.nn.bias_add(tf.nn.conv2d(values, kernel, 1, "VALID"), tf.constant(offset))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`(batch, height, width, 3)` of the backbone's input."""
        return (input_shape[0], *self.image.image_size, 3)
