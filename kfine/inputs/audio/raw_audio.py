"""The first layer of an exported model of sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from kfine.inputs import IN_FLOAT

if TYPE_CHECKING:
    from kfine.inputs.audio.audio import Audio


class RawAudio(keras.layers.Layer):
    """float32 `(batch, samples)` of -1 to 1 to what the backbone expects, in LiteRT builtins.

    Args:
        audio: The preprocessing.
    """

    def __init__(self, audio: Audio) -> None:
        # In 8 bits quiet bands would be lost beside loud ones.
        super().__init__(name=f"{IN_FLOAT}log_mel", dtype="float32")
        self.audio = audio

    def call(self, samples: Any) -> Any:
        """Spectrograms, or pictures of them."""
        return self.audio.seen(samples)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """That of what the backbone expects."""
        return (input_shape[0], *self.audio.shape)
