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


@keras.saving.register_keras_serializable("kfine")
class AtSizeOf(keras.layers.Layer):
    """Stretches maps over others, bilinearly: not every backbone halves sizes exactly."""

    def call(self, maps: Any, like: Any) -> Any:
        """Maps `(batch, rows, columns, channels)`, as many rows and columns as `like` has."""
        size = keras.ops.shape(like)[1:3]
        return keras.ops.image.resize(maps, size, "bilinear", data_format="channels_last")

    def compute_output_shape(self, maps_shape: Any, like_shape: Any) -> Any:
        """The channels of the one and the size of the other."""
        return (*like_shape[:3], maps_shape[3])


def dense_model(preset: Preset, classes: int, *, dropout: float = 0.1) -> keras.Model:
    """Logits for places four pixels apart, from features of all scales of a backbone.

    The features of each scale go through a linear layer and are added up from the coarsest to the
    finest, as in a feature pyramid (Lin et al., 2017, https://arxiv.org/abs/1612.03144).

    Args:
        preset: A KerasHub preset of a convolutional image backbone, or a plain one.
        classes: How many.
        dropout: Before the last layer, fraction 0 to 1.

    Returns:
        float32 `(batch, height, width, 3)` to `(batch, height / 4, width / 4, classes)` without
        activation.

    Raises:
        PresetError: The backbone gives no maps of features.
    """
    image, maps = _maps(preset)
    layers = keras.layers
    summed: Any = None
    for stride, features in sorted(maps.items(), reverse=True):
        own = layers.Conv2D(_WIDTH, 1, name=f"from_stride_{stride}")(features)
        if summed is not None:
            own = layers.Add()([own, AtSizeOf()(summed, own)])
        summed = layers.ReLU()(own)
    logits = layers.Conv2D(classes, 1, name="logits")(layers.Dropout(dropout)(summed))
    return keras.Model(image, logits, name="dense_model")


def _maps(preset: Preset) -> tuple[Any, dict[int, Any]]:
    """Images, and by its stride what the last block of each scale gives."""
    if preset.plain:
        backbone = plain_backbone(preset)
        top = backbone.output
    else:
        import keras_hub

        task = load_task(keras_hub.models.ImageClassifier, preset, num_classes=2)
        backbone, top = task.backbone, None
    ends = list(dict(block_outputs(backbone)).values())
    outputs = [one for one in [*ends, top] if one is not None and len(one.shape) == 4]
    maps: dict[int, Any] = {}
    if outputs:
        given = keras.KerasTensor((1, _PROBED, _PROBED, 3))
        shapes = keras.Model(backbone.input, outputs).compute_output_spec(given)
        for output, spec in zip(outputs, keras.tree.flatten(shapes), strict=True):
            maps[2 ** round(math.log2(_PROBED / spec.shape[1]))] = output
    maps = {stride: one for stride, one in maps.items() if stride >= _FINEST}
    if len(maps) < 2:
        raise PresetError(
            f"The preset {preset.name!r} gives no maps of features at several scales; use a "
            "convolutional one, such as efficientnet_lite0."
        )
    features = keras.Model(backbone.input, list(maps.values()), name=BACKBONE)
    image = keras.Input(backbone.input.shape[1:], dtype=backbone.input.dtype)
    return image, dict(zip(maps, features(image), strict=True))
