"""Layer groups: every layer once, named from the input side."""

from __future__ import annotations

from typing import Any

import pytest

from kfine.inputs.image.image import Image
from kfine.models.groups import layer_groups


def test_a_task_divides_along_the_blocks_of_its_backbone(tiny_preset: str) -> None:
    import keras_hub

    task = keras_hub.models.ImageClassifier.from_preset(tiny_preset, num_classes=3)
    groups = layer_groups(task)
    names = ["stem", "block1a", "block2a", "block2b", "block3a", "top", "head"]
    assert [group.name for group in groups] == names
    held = [variable.path for group in groups for variable in group.weights]
    assert sorted(held) == sorted(variable.path for variable in task.weights)
    assert sum(group.parameters for group in groups) == task.count_params()
    assert all(group.weights for group in groups)


@pytest.fixture(scope="module", params=["deeplab", "retina"])
def nested(needs_keras: None, request: pytest.FixtureRequest) -> Any:
    """A model whose backbone has a ResNet inside as a model of its own."""
    import keras
    import keras_hub

    encoder = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
        image_shape=(64, 64, 3),
    )
    if request.param == "deeplab":
        backbone = keras_hub.models.DeepLabV3Backbone(
            image_encoder=encoder,
            spatial_pyramid_pooling_key="P4",
            upsampling_size=4,
            dilation_rates=[2, 4],
        )
        return keras_hub.models.DeepLabV3ImageSegmenter(backbone=backbone, num_classes=3)
    backbone = keras_hub.models.RetinaNetBackbone(
        image_encoder=encoder, min_level=3, max_level=5, use_p5=False
    )
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output["P3"])
    model = keras.Model(backbone.input, keras.layers.Dense(2)(pooled))
    model.backbone = backbone
    return model


def test_the_encoder_inside_a_backbone_divides_and_is_cut(nested: Any) -> None:
    import numpy as np

    from kfine.models.cutting import cut_model
    from kfine.training.freezing import apply_stage

    groups = layer_groups(nested)
    names = ["stem", *(f"stack{number}_block0" for number in range(4)), "top", "head"]
    assert [group.name for group in groups] == names
    held = [variable.path for group in groups for variable in group.weights]
    assert sorted(held) == sorted(variable.path for variable in nested.weights)
    images = np.random.default_rng(0).random((1, 64, 64, 3)).astype("float32")
    for depth in (0, 1, 3):
        cut = cut_model(nested, groups, depth)
        assert cut.name == groups[-1 - depth].name
        np.testing.assert_allclose(cut.suffix(cut.trunk(images)), nested(images), atol=1e-5)
    apply_stage(nested, groups, 2)
    trained = {variable.path for variable in nested.trainable_variables}
    frozen = {variable.path for group in groups[:4] for variable in group.weights}
    assert trained and not trained & frozen
    assert trained & {variable.path for variable in groups[4].weights}


@pytest.mark.keras
def test_any_other_model_divides_at_its_layers_with_weights() -> None:
    import keras

    layers = [keras.layers.Dense(4), keras.layers.ReLU(), keras.layers.Dense(2)]
    groups = layer_groups(keras.Sequential([keras.Input((3,)), *layers]))
    assert [len(group.layers) for group in groups] == [2, 1]
    assert groups[-1].name == "head"


@pytest.mark.keras
def test_leaves_open_composite_blocks() -> None:
    import keras

    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), keras.layers.ReLU()])
    groups = layer_groups(keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(2)]))
    assert {"Dense", "ReLU"} <= {type(leaf).__name__ for leaf in groups[0].leaves()}


def no_files(name: str) -> bytes:
    raise AssertionError(f"images have no files, and {name} was asked for")


def test_preprocessing_survives_json() -> None:
    import json

    one = Image((32, 48), (0.1, 0.2, 0.3), (-1.0, -2.0, -3.0))
    assert Image.load(json.loads(json.dumps(one.to_dict())), no_files) == one


@pytest.mark.keras
def test_preprocessing_is_plain_bilinear_then_scale_and_offset() -> None:
    import numpy as np

    one = Image((1, 2), (0.5,), (-1.0,))
    image = np.array([[[[0] * 3, [100] * 3, [200] * 3, [40] * 3]]], np.uint8)
    # Each output pixel lies between two input pixels: their mean, whatever lies farther off.
    np.testing.assert_allclose(one.resize(image)[0, 0, :, 0], [50, 120])
    np.testing.assert_allclose(one.normalize(one.resize(image))[0, 0, :, 0], [24, 59])
