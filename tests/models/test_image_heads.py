"""What the head of an image model sees: the last layer, and a block of the backbone beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kfine.presets import find_preset

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global below_head, image_heads, image_model, keras, layer_groups, models

    import keras
    from keras_hub import models

    from kfine.models.groups import layer_groups
    from kfine.models.image_heads import image_heads, image_model
    from kfine.models.linear_head import below_head


@pytest.fixture(scope="module")
def images(digit_photos: Path) -> np.ndarray:
    """Two handwritten digits, float32 in -1..1."""
    photos = sorted(digit_photos.rglob("*.png"))[::90]
    rows = [np.asarray(Image.open(one).convert("RGB").resize((64, 64))) for one in photos]
    return np.stack(rows).astype(np.float32) / 127.5 - 1


def test_the_head_sees_a_block_two_thirds_up_beside_the_last_layer(
    tiny_preset: str, images: np.ndarray
) -> None:
    preset = find_preset(tiny_preset)
    alone, both = (image_model(preset, 3, pooling=one) for one in ("last", "both"))
    backbone = alone.backbone
    # Of its four blocks the third.
    (block,) = [one for one in layer_groups(alone) if one.name == "block2b"]
    seen = keras.Model(backbone.input, [block.layers[-1].output, backbone.output])
    expected = np.hstack([maps.numpy().mean(axis=(1, 2)) for maps in seen(images)])
    np.testing.assert_allclose(below_head(both)(images), expected, rtol=1e-4, atol=1e-5)
    assert both(images).shape == (2, 3)


def test_it_is_divided_into_the_same_groups(tiny_preset: str) -> None:
    preset = find_preset(tiny_preset)
    several = image_heads(preset, {"kind": 3, "size": 1}, pooling="both")
    models = [image_model(preset, 3), image_model(preset, 3, pooling="both"), several]
    last, *others = [[one.name for one in layer_groups(model)] for model in models]
    assert last[-1] == "head" and len(last) > 4
    assert others == [last, last]


def _preset_of(backbone: Any, folder: Any, converter: Any, preprocessor: Any) -> Any:
    backbone.save_to_preset(str(folder))
    preprocessor(converter(image_size=(64, 64))).save_to_preset(str(folder))
    return find_preset(str(folder))


def test_other_networks_have_a_block_or_do_without(images: np.ndarray, tmp_path: Any) -> None:
    import keras_hub

    residual = models.ResNetBackbone([64], [3], [64, 96, 128], [1, 1, 1], [1, 2, 2], "basic_block")
    found = image_model(
        _preset_of(
            residual,
            tmp_path / "resnet",
            keras_hub.layers.ResNetImageConverter,
            models.ResNetImageClassifierPreprocessor,
        ),
        3,
        pooling="both",
    )
    # Of its three blocks the second.
    assert below_head(found)(images).shape == (2, 96 + 128)
    transformer = models.ViTBackbone(
        image_shape=(64, 64, 3),
        patch_size=16,
        num_layers=3,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )
    found = image_model(
        _preset_of(
            transformer,
            tmp_path / "vit",
            keras_hub.layers.ViTImageConverter,
            models.ViTImageClassifierPreprocessor,
        ),
        3,
        pooling="both",
    )
    assert isinstance(found, models.ViTImageClassifier)
