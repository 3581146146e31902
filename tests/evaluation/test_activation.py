"""What a model looks at."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    global keras, class_activation, with_heat
    import keras

    from kfine.evaluation.activation import class_activation, with_heat


def looking_at(channel: int, *, nested: bool) -> object:
    """A frozen model whose first class is the mean of one channel of the image."""
    images = keras.Input((16, 16, 3))
    inner = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.AveragePooling2D(2)])
    maps = inner(images) if nested else keras.layers.AveragePooling2D(2)(images)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    kernel = np.zeros((3, 2), np.float32)
    kernel[channel, 0] = 1
    head = keras.layers.Dense(2)
    model = keras.Model(images, head(pooled))
    head.set_weights([kernel, np.zeros(2, np.float32)])
    model.trainable = False
    return model


@pytest.mark.parametrize("nested", [False, True])
def test_the_place_that_speaks_for_a_class_is_hot(nested: bool) -> None:
    images = np.zeros((9, 16, 16, 3), np.float32)
    images[:, 2:6, 8:14, 1] = 1  # what the class is made of
    images[:, 10:14, 0:6, 0] = 1  # what it is not made of
    heat = class_activation(looking_at(1, nested=nested), images)
    assert heat.shape == (9, 8, 8) and heat.dtype == np.float32
    hot = np.zeros((8, 8), bool)
    hot[1:3, 4:7] = True
    np.testing.assert_array_equal(heat[0] > 0.5, hot)
    np.testing.assert_array_equal(heat[0], heat[8])
    assert heat[0][~hot].max() == 0


def test_a_model_without_maps_or_classes_has_none() -> None:
    numbers = keras.Input((4,))
    assert (
        class_activation(keras.Model(numbers, keras.layers.Dense(2)(numbers)), np.ones((1, 4)))
        is None
    )
    images = keras.Input((8, 8, 3))
    masks = keras.Model(images, keras.layers.Conv2D(2, 1)(keras.layers.AveragePooling2D(2)(images)))
    assert class_activation(masks, np.ones((1, 8, 8, 3))) is None


def test_heat_keeps_the_colours_of_its_place_and_pales_the_rest() -> None:
    image = np.full((20, 20, 3), (200, 30, 30), np.uint8)
    heat = np.zeros((4, 4), np.float32)
    heat[:, :2] = 1
    shown = with_heat(image, heat)
    assert shown.shape == image.shape and shown.dtype == np.uint8
    np.testing.assert_allclose(shown[10, 2], image[10, 2], atol=12)
    assert np.ptp(shown[10, 18].astype(int)) < 20
