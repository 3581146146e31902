"""The graph that is exported, still in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine.errors import ExportError

pytestmark = pytest.mark.keras


def test_raw_images_give_the_training_pipelines_probabilities(trained: Any) -> None:
    got = np.asarray(trained.inference()(trained.images)["probabilities"])
    assert got.dtype == np.float32
    assert np.abs(got - trained.probabilities).max() < 1e-4


def test_fixed_input_takes_images_of_the_models_size(trained: Any) -> None:
    from kfine.inputs.image.pixels import resize_image

    inference = trained.inference("fixed")
    resized = np.stack([resize_image(image, (16, 16)) for image in trained.images])
    assert inference.inputs[0].shape == (None, 16, 16, 3)
    assert (
        np.abs(np.asarray(inference(resized)["probabilities"]) - trained.probabilities).max() < 1e-4
    )


@pytest.mark.parametrize("scale", [(1 / 128,), (0.017, 0.0175, 0.0174)])
def test_the_normalisation_is_that_of_training(scale: tuple[float, ...]) -> None:
    from sklearn.datasets import load_sample_image

    from kfine.inputs.image import Image
    from kfine.inputs.image.raw_images import RawImages

    image = Image((224, 224), scale, (-0.99, -2.0, 0.5))
    photo = load_sample_image("china.jpg")[None, :224, :224]
    expected = np.asarray(image.normalize(photo))
    assert np.abs(np.asarray(RawImages(image, False)(photo)) - expected).max() < 1e-5


def test_a_mixed_precision_model_is_exported_in_float32() -> None:
    import keras

    from kfine.answers.classes import Classes
    from kfine.exporting.inference import inference_model
    from kfine.inputs.image import Image

    policy = keras.DTypePolicy("mixed_float16")
    image = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3, dtype=policy)(image)
    hidden = keras.layers.GlobalAveragePooling2D(dtype=policy)(hidden)
    model = keras.Model(image, keras.layers.Dense(3, dtype=policy)(hidden))
    inference = inference_model(model, Image((8, 8)), Classes(("a", "b", "c")), "any")
    assert {layer.compute_dtype for layer in inference._flatten_layers()} == {"float32"}
    for old, new in zip(model.get_weights(), inference.get_weights(), strict=True):
        assert np.array_equal(old, new)
    assert model.layers[1].compute_dtype == "float16"


def test_an_unknown_input_kind_is_an_error(trained: Any) -> None:
    from kfine.exporting.inference import inference_model

    with pytest.raises(ExportError, match="use fixed or any"):
        inference_model(trained.model, trained.input, trained.answer, "some")


def test_a_model_without_class_logits_is_an_error() -> None:
    import keras

    from kfine.answers.classes import Classes
    from kfine.exporting.inference import inference_model
    from kfine.inputs.image import Image

    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    with pytest.raises(ExportError, match=r"probabilities \(batch, classes\)"):
        inference_model(model, Image((8, 8)), Classes(("a", "b", "c")), "any")
