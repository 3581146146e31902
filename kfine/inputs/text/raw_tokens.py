"""The first layer of an exported text model."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class RawTokens(keras.layers.Layer):
    """int32 ids `(batch, length)` to what an encoder takes, in LiteRT builtins.

    The padding mask is 1 where an id is not padding. Segment ids are 1 behind the first
    separator as far as the second text reaches, and 0 everywhere else: what the tokenizer's
    `encode_pair` gives, unless the text itself holds a separator.

    Args:
        inputs: Of `token_ids`, `padding_mask` and `segment_ids` those that the encoder takes.
        padding: Id of the padding.
        separator: Id of the token that ends each text.
    """

    def __init__(self, inputs: tuple[str, ...], padding: int, separator: int) -> None:
        super().__init__(name="raw_tokens", dtype="float32")
        self.inputs = inputs
        self.padding = padding
        self.separator = separator

    def call(self, token_ids: Any) -> dict[str, Any]:
        """Work out mask and segments."""
        used = tf.cast(tf.not_equal(token_ids, self.padding), tf.int32)
        ends = tf.cast(tf.equal(token_ids, self.separator), tf.int32)
        behind = tf.minimum(tf.cumsum(ends, axis=1, exclusive=True), 1)
        found = {"token_ids": token_ids, "padding_mask": used, "segment_ids": behind * used}
        return {name: found[name] for name in self.inputs}

    def compute_output_shape(self, input_shape: Any) -> dict[str, Any]:
        """`(batch, length)` of each of the encoder's inputs."""
        return dict.fromkeys(self.inputs, input_shape)

    def compute_output_spec(self, token_ids: Any) -> dict[str, Any]:
        """int32, whatever the layer's own type."""
        return {name: keras.KerasTensor(token_ids.shape, "int32") for name in self.inputs}
