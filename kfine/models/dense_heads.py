"""Heads that say something of each place of an image, on a pretrained backbone."""

from __future__ import annotations

import math
from typing import Any

import keras

from kfine.errors import PresetError
from kfine.models.groups import BACKBONE, block_outputs
from kfine.models.plain import plain_backbone
from kfine.models.pretrained import load_task
from kfine.presets import Preset

# Can be halved by every stride that backbones have.
_PROBED = 256
# Pixels of the image that one place of the finest features stands for, at least.
_FINEST = 4
_WIDTH = 96


def dense_model(
    preset: Preset, classes: int, size: tuple[int, int], *, dropout: float = 0.1
) -> keras.Model:
    """Logits for places four pixels apart, from features of all scales of a backbone.

    The features of each scale go through a linear layer and are added up from the coarsest to the
    finest, as in a feature pyramid (Lin et al., 2017, https://arxiv.org/abs/1612.03144).

    Args:
        preset: A KerasHub preset of a convolutional image backbone, or a plain one.
        classes: How many.
        size: Height and width of the images in pixels; features are stretched to what they give.
        dropout: Before the last layer, fraction 0 to 1.

    Returns:
        float32 `(batch, height, width, 3)` to `(batch, height / 4, width / 4, classes)` without
        activation.

    Raises:
        PresetError: The backbone gives no maps of features.
    """
    image, maps = feature_maps(preset, size)
    layers = keras.layers
    summed: Any = None
    for stride, (features, rows_and_columns) in sorted(maps.items(), reverse=True):
        own = layers.Conv2D(_WIDTH, 1, name=f"from_stride_{stride}")(features)
        summed = layers.ReLU()(added_up(own, summed, rows_and_columns))
    logits = layers.Conv2D(classes, 1, name="logits")(layers.Dropout(dropout)(summed))
    return keras.Model(image, logits, name="dense_model")


def added_up(own: Any, coarser: Any, size: tuple[int, int]) -> Any:
    """Features of one scale with those of the coarser ones, stretched to their rows and columns.

    Args:
        own: `(batch, rows, columns, channels)`.
        coarser: With as many channels; `None` at the coarsest scale.
        size: Rows and columns of `own`.
    """
    if coarser is None:
        return own
    # Not every backbone halves sizes exactly.
    stretched = keras.layers.Resizing(*size, interpolation="bilinear")(coarser)
    return keras.layers.Add()([own, stretched])


def feature_maps(
    preset: Preset, size: tuple[int, int]
) -> tuple[Any, dict[int, tuple[Any, tuple[int, int]]]]:
    """Images, and by its stride what the last block of each scale gives, with rows and columns.

    Args:
        preset: A KerasHub preset of a convolutional image backbone, or a plain one.
        size: Height and width of the images in pixels.

    Raises:
        PresetError: The backbone gives no maps of features.
    """
    if preset.plain:
        backbone = plain_backbone(preset)
        top = backbone.output
    else:
        import keras_hub

        task = load_task(keras_hub.models.ImageClassifier, preset, num_classes=2)
        backbone, top = task.backbone, None
    ends = list(dict(block_outputs(backbone)).values())
    outputs = [one for one in [*ends, top] if one is not None and len(one.shape) == 4]
    maps: dict[int, tuple[Any, tuple[int, int]]] = {}
    if outputs:
        model = keras.Model(backbone.input, outputs)
        strides, shapes = (_sizes(model, one) for one in ((_PROBED, _PROBED), size))
        for output, (rows, _), own in zip(outputs, strides, shapes, strict=True):
            maps[2 ** round(math.log2(_PROBED / rows))] = output, own
    maps = {stride: one for stride, one in maps.items() if stride >= _FINEST}
    if len(maps) < 2:
        raise PresetError(
            f"The preset {preset.name!r} gives no maps of features at several scales; use a "
            "convolutional one, such as efficientnet_lite0."
        )
    chosen = [output for output, _ in maps.values()]
    features = keras.Model(backbone.input, chosen, name=BACKBONE)
    image = keras.Input(backbone.input.shape[1:], dtype=backbone.input.dtype)
    pairs = zip(maps.items(), features(image), strict=True)
    return image, {stride: (output, own) for (stride, (_, own)), output in pairs}


def _sizes(model: keras.Model, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows and columns of each output for images of some height and width."""
    found = model.compute_output_spec(keras.KerasTensor((1, *size, 3)))
    return [(int(one.shape[1]), int(one.shape[2])) for one in keras.tree.flatten(found)]
