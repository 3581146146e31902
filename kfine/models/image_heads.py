"""Heads on a pretrained image backbone."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from kfine.models.groups import BACKBONE
from kfine.models.pretrained import load_task
from kfine.presets import Preset


def image_model(preset: Preset, outputs: int, *, dropout: float = 0.2) -> keras.Model:
    """KerasHub's image classifier: one linear layer on the pooled features of the backbone.

    Args:
        preset: A KerasHub preset of an image backbone.
        outputs: How many, of whatever they are: classes, labels, numbers.
        dropout: Before the head, fraction 0 to 1.

    Returns:
        float32 `(batch, height, width, 3)` to `(batch, outputs)` without activation.
    """
    import keras_hub

    task = load_task(keras_hub.models.ImageClassifier, preset, num_classes=outputs, dropout=dropout)
    task.preprocessor = None
    return task


def image_heads(preset: Preset, outputs: Mapping[str, int], *, dropout: float = 0.2) -> keras.Model:
    """Several linear layers side by side on the pooled features of one backbone.

    Args:
        preset: A KerasHub preset of an image backbone.
        outputs: Name -> how many.
        dropout: Before the heads, fraction 0 to 1.

    Returns:
        float32 `(batch, height, width, 3)` to a dict of `(batch, outputs)` without activation.
    """
    classifier = image_model(preset, 1, dropout=dropout)
    backbone = classifier.backbone
    # Its name is that of a model that is divided into groups of layers, see `layer_groups`.
    features = keras.Model(backbone.input, backbone.output, name=BACKBONE)
    pooled = features(features.input)
    # What the classifier has between its backbone and its one output: pooling and dropout.
    for layer in classifier.layers[classifier.layers.index(backbone) + 1 : -1]:
        pooled = layer(pooled)
    heads = {name: keras.layers.Dense(count, name=name)(pooled) for name, count in outputs.items()}
    return keras.Model(features.input, heads, name="image_heads")
