"""Networks that say for each place of an image which object is there."""

from __future__ import annotations

from typing import Any

import keras

from kfine.inputs import IN_FLOAT
from kfine.models.dense_heads import added_up, feature_maps
from kfine.models.groups import BACKBONE
from kfine.models.plain import plain_model
from kfine.presets import Preset

# The share of places with an object, at first: most are empty (Lin et al., 2017,
# https://arxiv.org/abs/1708.02002).
_RARE = -4.6
_STRIDES = (8, 16, 32)
_PIXELS = 255.0
_WIDTH = 96
# How a plain preset calls the layers that give the numbers of one scale.
_BOXES, _SOMETHING, _CLASSES = "head_reg_pred_", "head_obj_pred_", "head_cls_pred_"


def detector(
    preset: Preset, classes: int, size: tuple[int, int]
) -> tuple[keras.Model, tuple[tuple[int, int], ...]]:
    """A detector without anchors on a pretrained one, or with a new head on a classifier.

    Args:
        preset: A plain preset of a YOLOX, whose boxes are kept and whose classes are new; or any
            preset of a convolutional image backbone.
        classes: How many.
        size: Height and width of the images in pixels.

    Returns:
        A model from float32 `(batch, height, width, 3)` to `(batch, places, 5 + classes)` without
        activation: four numbers of the box (see `kfine.answers.boxes.grid`), whether there is
        something, and its classes; and rows and columns of each level of places.

    Raises:
        PresetError: The backbone gives no maps of features.
    """
    own = plain_model(preset) if preset.plain else None
    names = [] if own is None else [one.name for one in own.layers]
    scales = sorted(one.removeprefix(_CLASSES) for one in names if one.startswith(_CLASSES))
    pretrained = own if scales else None
    image, parts = _towers(pretrained, scales) if pretrained else _new_towers(preset, size)
    layers, flat, levels = keras.layers, [], []
    for scale, (of_boxes, of_classes) in parts.items():
        numbers = [
            layers.Conv2D(count, 1, bias_initializer=_bias(first), name=f"{IN_FLOAT}{name}_{scale}")
            for name, count, first in (
                ("boxes", 4, 0.0),
                ("something", 1, _RARE),
                ("classes", classes, _RARE),
            )
        ]
        given = of_boxes, of_boxes, of_classes
        made = [layer(features) for layer, features in zip(numbers, given, strict=True)]
        if pretrained:
            for layer, name in zip(numbers[:2], (_BOXES, _SOMETHING), strict=True):
                layer.set_weights(pretrained.get_layer(f"{name}{scale}").get_weights())
        levels.append(layers.Concatenate(name=f"{IN_FLOAT}{scale}")(made))
        flat.append(layers.Reshape((-1, 5 + classes), name=f"{IN_FLOAT}flat_{scale}")(levels[-1]))
    places = layers.Concatenate(axis=1, name=f"{IN_FLOAT}places")(flat)
    shapes = keras.Model(image, levels).compute_output_spec(keras.KerasTensor((1, *size, 3)))
    sizes = tuple((int(one.shape[1]), int(one.shape[2])) for one in shapes)
    return keras.Model(image, places, name="detector"), sizes


def _bias(value: float) -> Any:
    return keras.initializers.Constant(value)


# Features for boxes and for classes at each scale.
_Parts = dict[Any, tuple[Any, Any]]


def _towers(own: keras.Model, scales: list[str]) -> tuple[Any, _Parts]:
    """All of a detector but the layers that give its numbers."""
    below = [own.get_layer(f"head_stem_{scale}").input for scale in scales]
    backbone = keras.Model(own.inputs[0], below, name=BACKBONE)
    wanted = [
        tuple(own.get_layer(f"{name}{scale}").input for name in (_BOXES, _CLASSES))
        for scale in scales
    ]
    towers = keras.Model(below, wanted, name="towers")
    image = keras.Input(own.inputs[0].shape[1:], dtype=own.inputs[0].dtype)
    found = towers(backbone(_as_fractions(image, own)))
    return image, dict(zip(scales, found, strict=True))


def _as_fractions(image: Any, own: keras.Model) -> Any:
    """Images in 0..1 where the first kernel takes 0..255, which then is as much larger.

    Adam moves all weights by about its rate: a kernel of thousandths would be lost in a few steps.
    """
    weighted = next(place for place, layer in enumerate(own.layers) if layer.weights)
    kinds = keras.layers.InputLayer, keras.layers.ZeroPadding2D
    first = own.layers[weighted]
    if not hasattr(first, "kernel") or not all(isinstance(x, kinds) for x in own.layers[:weighted]):
        return image
    first.kernel.assign(first.kernel * _PIXELS)
    return keras.layers.Rescaling(1 / _PIXELS)(image)


def _new_towers(preset: Preset, size: tuple[int, int]) -> tuple[Any, _Parts]:
    """A feature pyramid on a backbone, and separable convolutions at each of its levels."""
    image, maps = feature_maps(preset, size)
    layers = keras.layers
    summed: Any = None
    parts: _Parts = {}
    for stride, (features, rows_and_columns) in sorted(maps.items(), reverse=True):
        if stride not in _STRIDES:
            continue
        own = layers.Conv2D(_WIDTH, 1, name=f"from_stride_{stride}")(features)
        summed = tower = added_up(own, summed, rows_and_columns)
        for number in range(2):
            tower = layers.SeparableConv2D(
                _WIDTH, 3, padding="same", activation="relu", name=f"tower_{stride}_{number}"
            )(tower)
        parts[stride] = tower, tower
    return image, dict(reversed(parts.items()))
