"""Layer groups: every layer once, named from the input side."""

from __future__ import annotations

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


def test_any_other_model_divides_at_its_layers_with_weights() -> None:
    import keras

    layers = [keras.layers.Dense(4), keras.layers.ReLU(), keras.layers.Dense(2)]
    groups = layer_groups(keras.Sequential([keras.Input((3,)), *layers]))
    assert [len(group.layers) for group in groups] == [2, 1]
    assert groups[-1].name == "head"


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


def test_preprocessing_is_plain_bilinear_then_scale_and_offset() -> None:
    import numpy as np

    one = Image((1, 2), (0.5,), (-1.0,))
    image = np.array([[[[0] * 3, [100] * 3, [200] * 3, [40] * 3]]], np.uint8)
    # Each output pixel lies between two input pixels: their mean, whatever lies farther off.
    np.testing.assert_allclose(one.resize(image)[0, 0, :, 0], [50, 120])
    np.testing.assert_allclose(one.normalize(one.resize(image))[0, 0, :, 0], [24, 59])
