"""A head on a backbone that takes spectrograms, or pictures of them."""

from __future__ import annotations

from typing import Any

import keras

from kfine.models.image_heads import image_model, plain_pooled
from kfine.models.plain import plain_backbone
from kfine.models.speech import speech_encoder, whisper_of_preset
from kfine.presets import Preset


def sound_model(
    preset: Preset, outputs: int, *, dropout: float = 0.2, pooling: str = "last"
) -> keras.Model:
    """One linear layer on the pooled features of a backbone.

    Args:
        preset: A plain Keras folder that takes spectrograms, Whisper, of which the encoder is
            taken, or any preset of images.
        outputs: How many, of whatever they are: classes, labels, numbers.
        dropout: Before the head, fraction 0 to 1.
        pooling: As in `image_model`.

    Returns:
        float32 `(batch, frames, bands)`, or images, to `(batch, outputs)` without activation.
    """
    if preset.is_whisper:
        frames, pooled = _encoded(preset, dropout)
    elif preset.takes_spectrograms:
        frames, pooled = plain_pooled(plain_backbone(preset, 3), dropout, pooling)
    else:
        return image_model(preset, outputs, dropout=dropout, pooling=pooling)
    logits = keras.layers.Dense(outputs, name="logits")(pooled)
    return keras.Model(frames, logits, name="sound_model")


def _encoded(preset: Preset, dropout: float) -> tuple[Any, Any]:
    """What Whisper's encoder is given, and its mean over time."""
    encoder = speech_encoder(whisper_of_preset(preset.handle))
    pooled = keras.layers.GlobalAveragePooling1D(name="pooling")(encoder(encoder.input))
    return encoder.input, keras.layers.Dropout(dropout)(pooled) if dropout else pooled
