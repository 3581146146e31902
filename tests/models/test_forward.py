"""What a model gives with its weights as constants, and that only the rest of it trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine.models.groups import layer_groups
from kfine.training.freezing import apply_stage

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global behind_constants, cut_model, forward_of, keras

    import keras

    from kfine.models.cutting import cut_model
    from kfine.models.forward import behind_constants, forward_of


def test_weights_as_constants_give_what_batch_norm_gives() -> None:
    """Its statistics and weights as they are at the time, whatever changes later."""
    images = keras.Input((None, None, 3))
    normalized = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(images))
    model = keras.Model(images, keras.layers.ReLU()(normalized))
    generator = np.random.default_rng(0)
    model.set_weights([generator.uniform(0.5, 2, one.shape) for one in model.get_weights()])
    forward = forward_of(model, exact=False)
    for shape in ((5, 8, 8, 3), (3, 8, 8, 3), (2, 12, 9, 3)):
        batch = generator.normal(size=shape).astype("float32")
        np.testing.assert_allclose(forward(batch), model(batch, training=False), 1e-5, 1e-5)
    whole = generator.integers(0, 255, batch.shape, dtype=np.uint8)
    np.testing.assert_allclose(forward(whole), model(whole, training=False), 1e-5, 1e-5)
    before = forward(batch)
    model.set_weights([one + 1 for one in model.get_weights()])
    np.testing.assert_array_equal(forward(batch), before)


def test_a_suffix_behind_constants_is_the_whole_model_and_alone_trains(tiny_preset: str) -> None:
    import keras_hub

    model: Any = keras_hub.models.ImageClassifier.from_preset(tiny_preset, num_classes=3)
    model.preprocessor = None
    groups = layer_groups(model)
    apply_stage(model, groups, 1)
    cut = cut_model(model, groups, 1)
    folded: Any = behind_constants(cut.trunk, cut.suffix)
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(folded(images), model(images), rtol=1e-4, atol=1e-5)
    assert {id(one) for one in folded.weights} == {id(one) for one in cut.suffix.weights}
    before = [variable.numpy() for variable in model.weights]
    folded.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    folded.fit(images, np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], verbose=0)
    trains = {id(variable) for variable in model.trainable_variables}
    for variable, old in zip(model.weights, before, strict=True):
        moved = not np.array_equal(variable.numpy(), old)
        assert moved <= (id(variable) in trains), variable.path
        assert moved or id(variable) not in trains or "bias" in variable.path, variable.path


def test_constants_gain_nothing_without_batch_norm() -> None:
    inputs = keras.Input((4,))
    trunk = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    features = keras.Input((3,))
    suffix = keras.Model(features, keras.layers.Dense(2)(features))
    assert behind_constants(trunk, suffix) is None
