"""Heads on a pretrained image backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kfine.models.groups import BACKBONE, block_outputs
from kfine.models.plain import plain_backbone
from kfine.models.pretrained import load_task
from kfine.presets import Preset


def image_model(
    preset: Preset, outputs: int, *, dropout: float = 0.2, pooling: str = "last"
) -> keras.Model:
    """One linear layer on the pooled features of a backbone.

    Args:
        preset: A KerasHub preset of an image backbone, or a plain Keras folder.
        outputs: How many, of whatever they are: classes, labels, numbers.
        dropout: Before the head, fraction 0 to 1.
        pooling: What is pooled: the "last" layer, as in KerasHub's image classifier, which is
            then the model; or with "both" a block two thirds up beside it, in convolutional
            networks. How things are made, their texture and strokes, fades on the way to the last
            layer, and few examples cannot bring it back (Evci et al., 2022,
            https://arxiv.org/abs/2201.03529).

    Returns:
        float32 `(batch, height, width, 3)` to `(batch, outputs)` without activation.
    """
    if preset.plain:
        image, pooled = plain_pooled(plain_backbone(preset), dropout, pooling)
    else:
        task = _classifier(preset, outputs, dropout)
        block = _block_below(task.backbone) if pooling == "both" else None
        if block is None:
            return task
        image, pooled = _pooled(task, block)
    logits = keras.layers.Dense(outputs, name="logits")(pooled)
    return keras.Model(image, logits, name="image_model")


def image_heads(
    preset: Preset, outputs: Mapping[str, int], *, dropout: float = 0.2, pooling: str = "last"
) -> keras.Model:
    """Several linear layers side by side on the pooled features of one backbone.

    Args:
        preset: A KerasHub preset of an image backbone.
        outputs: Name -> how many.
        dropout: Before the heads, fraction 0 to 1.
        pooling: As in `image_model`.

    Returns:
        float32 `(batch, height, width, 3)` to a dict of `(batch, outputs)` without activation.
    """
    if preset.plain:
        image, pooled = plain_pooled(plain_backbone(preset), dropout, pooling)
    else:
        task = _classifier(preset, 1, dropout)
        block = _block_below(task.backbone) if pooling == "both" else None
        image, pooled = _pooled(task, block)
    heads = {name: keras.layers.Dense(count, name=name)(pooled) for name, count in outputs.items()}
    return keras.Model(image, heads, name="image_heads")


def _classifier(preset: Preset, outputs: int, dropout: float) -> keras.Model:
    import keras_hub

    task = load_task(keras_hub.models.ImageClassifier, preset, num_classes=outputs, dropout=dropout)
    task.preprocessor = None
    return task


def plain_pooled(backbone: keras.Model, dropout: float, pooling: str) -> tuple[Any, Any]:
    """What the backbone of a plain Keras folder is given, and what a head is given of it.

    Args:
        backbone: Maps of features, or features.
        dropout: As in `image_model`.
        pooling: As in `image_model`.
    """
    above: list[Any] = [keras.layers.Dropout(dropout)] if dropout else []
    if len(backbone.output.shape) == 4:
        above.insert(0, keras.layers.GlobalAveragePooling2D(name="pooling"))
    block = _block_below(backbone) if pooling == "both" else None
    return _pooled_of(backbone, above, block)


def _pooled(task: Any, block: Any) -> tuple[Any, Any]:
    """Images, and what a head is given of them: what the classifier pools, and a block's mean."""
    # What the classifier has between its backbone and its one output: pooling and dropout.
    above = task.layers[task.layers.index(task.backbone) + 1 : -1]
    return _pooled_of(task.backbone, above, block)


def _pooled_of(backbone: Any, above: Sequence[Any], block: Any) -> tuple[Any, Any]:
    outputs = backbone.output if block is None else [block, backbone.output]
    # Its name is that of a model that is divided into groups of layers, see `layer_groups`.
    features = keras.Model(backbone.input, outputs, name=BACKBONE)
    below, pooled = None, features(features.input)
    if block is not None:
        below, pooled = pooled
    for layer in above:
        if below is not None and isinstance(layer, keras.layers.Dropout):
            pooled, below = _joined(below, pooled), None
        pooled = layer(pooled)
    return features.input, pooled if below is None else _joined(below, pooled)


def _joined(below: Any, pooled: Any) -> Any:
    mean = keras.layers.GlobalAveragePooling2D(name="block_pooling")(below)
    return keras.layers.Concatenate(name="layers")([mean, pooled])


def _block_below(backbone: Any) -> Any:
    """What the block two thirds up a convolutional backbone gives; `None` in other networks."""
    # Of each block its last output.
    blocks = {name: one for name, one in block_outputs(backbone) if len(one.shape) == 4}
    if len(blocks) < 2:
        return None
    return list(blocks.values())[(2 * len(blocks) + 1) // 3 - 1]
