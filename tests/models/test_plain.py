"""Presets that are a plain Keras folder, under heads for whole images and for each place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.errors import PresetError
from kfine.presets import find_preset, local_image_size

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def plain_preset(needs_keras: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three convolutions, each halving, with a classifier of five classes."""
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((None, None, 3))
    maps = layers.Rescaling(1 / 127.5, -1)(image)
    for place, width in enumerate((4, 6, 8, 10)):
        convolution = layers.Conv2D(
            width, 3, strides=2, padding="same", activation="relu", name=f"block{place}_conv"
        )
        maps = convolution(maps)
    pooled = layers.GlobalAveragePooling2D(name="pool")(maps)
    model = keras.Model(image, layers.Dense(5, name="logits")(pooled))
    folder = tmp_path_factory.mktemp("plain")
    (folder / "model.json").write_text(model.to_json())
    model.save_weights(folder / "model.weights.h5")
    return folder


def test_a_head_is_put_on_what_the_last_layer_took(plain_preset: Path) -> None:
    from kfine.models.groups import layer_groups
    from kfine.models.image_heads import image_model
    from kfine.models.plain import plain_backbone

    preset = find_preset(str(plain_preset))
    assert (preset.plain, preset.origin) == (True, "folder")
    model = image_model(preset, 7)
    names = [group.name for group in layer_groups(model)]
    assert names == ["stem", "block0", "block1", "block2", "block3", "head"]
    photo = np.random.default_rng(0).integers(0, 256, (2, 33, 40, 3)).astype("float32")
    kernel, bias = (np.asarray(one) for one in layer_groups(model)[-1].weights)
    features = plain_backbone(preset)(photo)
    np.testing.assert_allclose(model(photo), features @ kernel + bias, atol=1e-5)
    assert kernel.shape == (10, 7)


def test_both_layers_and_several_heads_work_on_it(plain_preset: Path) -> None:
    from kfine.models.image_heads import image_heads, image_model

    preset = find_preset(str(plain_preset))
    assert image_model(preset, 7, pooling="both").layers[-1].kernel.shape == (18, 7)
    outputs = image_heads(preset, {"a": 2, "b": 3})(np.zeros((1, 32, 32, 3)))
    assert {name: tuple(one.shape) for name, one in outputs.items()} == {"a": (1, 2), "b": (1, 3)}


@pytest.mark.parametrize("size", [(64, 64), (50, 37)])
def test_features_of_all_scales_meet_in_one_map(plain_preset: Path, size: Any) -> None:
    from kfine.models.dense_heads import dense_model
    from kfine.models.groups import layer_groups

    model = dense_model(find_preset(str(plain_preset)), 3, size)
    height, width = size
    given = model(np.zeros((2, height, width, 3), np.float32))
    assert tuple(given.shape) == (2, -(-height // 4), -(-width // 4), 3)
    head = {layer.name for layer in layer_groups(model)[-1].layers}
    assert {"from_stride_4", "from_stride_8", "from_stride_16", "logits"} <= head


def test_the_shipped_segmenter_gives_its_last_features(needs_keras: None) -> None:
    from kfine.models.plain import plain_backbone

    preset = find_preset("deeplabv3_mobilenetv2")
    assert (preset.origin, local_image_size(preset)) == ("ships", 513)
    assert preset.license().startswith("Apache License")
    backbone = plain_backbone(preset)
    assert backbone.output.shape[-1] == 256
    assert len(json.loads((preset.folder / "pascal_voc_classes.json").read_text())) == 21


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.json", "{", "does not load"),
        ("model.weights.h5", "nothing", "does not load"),
        ("preset.json", '{"features": "top"}', "has no layer 'top'"),
        ("preset.json", "{", "is damaged"),
    ],
)
def test_a_damaged_preset_is_refused_in_a_sentence(
    plain_preset: Path, tmp_path: Path, name: str, content: str, words: str
) -> None:
    from kfine.models.plain import plain_backbone

    for file in plain_preset.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_text(content)
    with pytest.raises(PresetError, match=words):
        plain_backbone(find_preset(str(tmp_path)))


def test_a_network_for_something_else_is_refused(needs_keras: None, tmp_path: Path) -> None:
    import keras

    from kfine.models.plain import plain_backbone

    model = keras.Sequential([keras.Input((96, 64)), keras.layers.Dense(2)])
    (tmp_path / "model.json").write_text(model.to_json())
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(PresetError, match=r"does not take images; .* Received: \(None, 96, 64\)"):
        plain_backbone(find_preset(str(tmp_path)))


def test_a_backbone_without_maps_has_no_head_for_places(needs_keras: None, tmp_path: Path) -> None:
    import keras

    from kfine.models.dense_heads import dense_model

    image = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Dense(4)(pooled)))
    (tmp_path / "model.json").write_text(model.to_json())
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(PresetError, match="gives no maps of features at several scales"):
        dense_model(find_preset(str(tmp_path)), 3, (32, 32))
