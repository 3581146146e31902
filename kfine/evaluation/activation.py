"""Where a model looks: the places of a feature map that speak for a prediction."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

_BATCH = 8


def class_activation(model: keras.Model, inputs: Any) -> np.ndarray | None:
    """How much each place of the last feature map speaks for what the model says.

    Grad-CAM: Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391. Frozen layers make no
    difference: gradients are of activations, not of weights.

    Args:
        model: A functional model with one output `(rows, classes)` of logits.
        inputs: Of some examples, as the model takes them.

    Returns:
        float32 `(examples, height, width)`, 0 to 1; `None` where the model has no feature map or
        another kind of output.
    """
    import tensorflow as tf

    last = _last_map(model)
    if last is None or not isinstance(model.outputs, list) or len(model.outputs) != 1:
        return None
    if len(model.outputs[0].shape) != 2:
        return None
    both = keras.Model(model.inputs, [last, model.outputs[0]])
    found = []
    for start in range(0, len(inputs), _BATCH):
        some = tf.convert_to_tensor(inputs[start : start + _BATCH])
        with tf.GradientTape() as tape:
            # Else nothing is recorded where all layers are frozen.
            tape.watch(some)
            maps, logits = both(some, training=False)
            said = tf.reduce_max(logits, axis=-1)
        slopes = tape.gradient(said, maps)
        weights = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
        heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))
        highest = tf.reduce_max(heat, axis=(1, 2), keepdims=True)
        found.append((heat / tf.maximum(highest, 1e-12)).numpy())
    return np.concatenate(found).astype(np.float32)


def _last_map(model: keras.Model) -> Any:
    """The last `(rows, height, width, channels)` that a layer is given; `None` if there is none."""
    if not getattr(model, "inputs", None) or keras.config.image_data_format() != "channels_last":
        return None
    for layer in reversed(model.layers):
        given = getattr(layer, "input", None)
        # What goes into a layer belongs to the graph of this model, not to that of an inner one.
        if len(getattr(given, "shape", ())) == 4 and all(given is not one for one in model.inputs):
            return given
    return None


def with_heat(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """An image with what speaks for the prediction in colour, and the rest pale.

    Args:
        image: uint8 RGB `(height, width, 3)`.
        heat: float32 `(rows, columns)`, 0 to 1.
    """
    from PIL import Image

    height, width = image.shape[:2]
    large = Image.fromarray((heat * 255).astype(np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    share = np.asarray(large, np.float32)[..., None] / 255
    grey = image.mean(axis=2, keepdims=True)
    pale = 160 + grey * (95 / 255)
    found: np.ndarray = (pale + share * (image - pale)).round().clip(0, 255).astype(np.uint8)
    return found
