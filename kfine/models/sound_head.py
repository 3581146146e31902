"""A head on a backbone that takes spectrograms, or pictures of them."""

from __future__ import annotations

import keras

from kfine.models.image_heads import image_model, plain_pooled
from kfine.models.plain import plain_backbone
from kfine.presets import Preset


def sound_model(
    preset: Preset, outputs: int, *, dropout: float = 0.2, pooling: str = "last"
) -> keras.Model:
    """One linear layer on the pooled features of a backbone.

    Args:
        preset: A plain Keras folder that takes spectrograms, or any preset of images.
        outputs: How many, of whatever they are: classes, labels, numbers.
        dropout: Before the head, fraction 0 to 1.
        pooling: As in `image_model`.

    Returns:
        float32 `(batch, frames, bands)`, or images, to `(batch, outputs)` without activation.
    """
    if not preset.takes_spectrograms:
        return image_model(preset, outputs, dropout=dropout, pooling=pooling)
    frames, pooled = plain_pooled(plain_backbone(preset, 3), dropout, pooling)
    logits = keras.layers.Dense(outputs, name="logits")(pooled)
    return keras.Model(frames, logits, name="sound_model")
