"""Which layers of a file hold much of its weights."""

from __future__ import annotations

import pytest

from kfine.exporting.formats.layer_errors import large_layers

pytestmark = pytest.mark.keras


def test_a_layer_is_large_by_its_share_of_the_weights() -> None:
    import keras
    import tensorflow as tf

    image = keras.Input((8, 8, 3), batch_size=1)
    hidden = keras.layers.Conv2D(4, 3, name="small")(image)
    hidden = keras.layers.Conv2D(64, 3, name="wide")(hidden)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    hidden = keras.layers.Dense(32, name="deep")(hidden)
    model = keras.Model(image, keras.layers.Dense(2, name="last")(hidden))
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    found = large_layers(content)
    # 2304 of 108 + 2304 + 2048 + 64 weights, and 2048 of them.
    assert len(found) == 2, found
    assert all(any(name in one for one in found) for name in ("wide", "deep")), found
