"""Presets are found and checked before anything heavy is loaded."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from kfine import presets
from kfine.errors import PresetError
from kfine.inputs.image.image import check_image_preset, fixed_image_size, image_of_preset


def write_preset(folder: Path, **config: Any) -> str:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize(
    ("file", "text", "license"),
    [
        ("README.md", "---\ntags: [a]\nlicense: apache-2.0\n---\nlicense: other\n", "apache-2.0"),
        ("README.md", "# A model\nlicense: not a front matter\n", ""),
        ("LICENSE", "\n   Apache License\n   Version 2.0, January 2004\n", None),
        ("LICENCE.txt", "MIT License\n\nCopyright\n", "MIT License"),
        ("weights.txt", "license: mit", ""),
    ],
)
def test_the_licence_of_weights_is_read_beside_them(
    tmp_path: Path, file: str, text: str, license: str | None
) -> None:
    preset = presets.find_preset(write_preset(tmp_path / "preset"))
    (tmp_path / "preset" / file).write_text(text)
    expected = "Apache License, Version 2.0, January 2004" if license is None else license
    assert preset.license() == expected


def test_the_shipped_weights_say_their_licence() -> None:
    found = presets.find_preset("efficientnet_lite0").license()
    assert found == "Apache License, Version 2.0, January 2004"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "create_connection", refuse)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_the_shipped_preset_is_found_by_name_and_says_its_size() -> None:
    preset = presets.find_preset("efficientnet_lite0")
    assert preset.origin == "ships"
    assert presets.local_image_size(preset) == 224
    assert fixed_image_size(preset) is None
    images = ["efficientnet_lite0", "deeplabv3_mobilenetv2", "yolox_nano"]
    assert presets.shipped_names() == images
    assert presets.shipped_names("AudioClassifier") == ["yamnet", *images]
    assert presets.shipped_names("TextClassifier") == []


def test_a_local_folder_is_a_preset(tiny_preset: str) -> None:
    preset = presets.find_preset(tiny_preset)
    assert (preset.origin, str(preset.folder)) == ("folder", os.path.realpath(tiny_preset))
    presets.check_network(preset)
    check_image_preset(preset, 48)
    image = image_of_preset(preset, 48)
    assert image.image_size == (48, 48)
    assert image.scale == pytest.approx((1 / 127.5,))
    assert image.offset == (-1.0,)


@pytest.mark.parametrize("name", ["{}/nothing", "./nothing", "~/nothing-here", "some/where"])
def test_a_missing_folder_is_named_with_what_ships(tmp_path: Path, name: str) -> None:
    with pytest.raises(PresetError, match=r"no preset folder .*efficientnet_lite0"):
        presets.find_preset(name.format(tmp_path))


def test_a_folder_that_is_no_preset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"no config\.json"):
        presets.find_preset(str(tmp_path))


def test_a_damaged_preset_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(PresetError, match=r"config\.json is damaged"):
        check_image_preset(presets.find_preset(str(tmp_path)), None)


def test_a_preset_for_another_task_is_refused(tmp_path: Path) -> None:
    name = write_preset(
        tmp_path / "bert", class_name="BertBackbone", config={"vocabulary_size": 30522}
    )
    with pytest.raises(PresetError, match="BertBackbone, which does not take images"):
        check_image_preset(presets.find_preset(name), None)


def test_a_text_preset_of_hugging_face_is_refused_and_an_image_one_is_not(tmp_path: Path) -> None:
    text = write_preset(tmp_path / "text", model_type="bert", vocab_size=30522)
    with pytest.raises(PresetError, match="bert, which does not take images"):
        check_image_preset(presets.find_preset(text), None)
    image = write_preset(tmp_path / "image", model_type="vit", image_size=224, num_channels=3)
    check_image_preset(presets.find_preset(image), None)


def test_a_backbone_of_one_size_refuses_another(tmp_path: Path) -> None:
    name = write_preset(
        tmp_path / "vit", class_name="ViTBackbone", config={"image_shape": [64, 64, 3]}
    )
    preset = presets.find_preset(name)
    check_image_preset(preset, 64)
    check_image_preset(preset, None)
    assert fixed_image_size(preset) == 64
    with pytest.raises(PresetError, match=r"64 pixels only\. Received: image_size 96"):
        check_image_preset(preset, 96)


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("resnet_50_imagenet", "www.kaggle.com"),
        ("hf://google/vit-base-patch16-224", "huggingface.co"),
        ("kaggle://keras/vit/keras/vit_base", "www.kaggle.com"),
    ],
)
def test_no_network_is_one_sentence_with_the_offline_choices(
    no_network: None, name: str, host: str
) -> None:
    preset = presets.find_preset(name)
    assert preset.origin == "network"
    with pytest.raises(PresetError, match=rf"{host} cannot be reached.*efficientnet_lite0"):
        presets.check_network(preset)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("resnet_50_imagenet", "models/keras/resnetv1/keras/resnet_50_imagenet/2"),
        ("kaggle://keras/resnetv1/keras/resnet_50", "models/keras/resnetv1/keras/resnet_50/3"),
        ("kaggle://keras/resnetv1/keras/resnet_50/3", "models/keras/resnetv1/keras/resnet_50/3"),
        ("hf://keras/resnet_50", "models--keras--resnet_50/snapshots/0a1b"),
        ("hf://keras/resnet_50@main", "models--keras--resnet_50/snapshots/0a1b"),
    ],
)
def test_a_downloaded_preset_needs_no_network(
    no_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, where: str
) -> None:
    for variable in ("KAGGLEHUB_CACHE", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    folder = tmp_path / where
    write_preset(folder, class_name="ResNetBackbone", config={"image_shape": [None, None, 3]})
    preset = presets.find_preset(name)
    assert (preset.origin, preset.folder) == ("cached", folder)
    assert preset.handle == name
    presets.check_network(preset)
    check_image_preset(preset, 96)


@pytest.mark.keras
def test_a_preset_that_does_not_load_is_one_sentence(tmp_path: Path) -> None:
    import keras_hub

    from kfine.models.pretrained import load_task

    name = write_preset(
        tmp_path / "odd",
        module="keras_hub.src.models.nothing",
        class_name="NothingBackbone",
        registered_name="keras_hub>NothingBackbone",
        config={"input_shape": [None, None, 3]},
    )
    with pytest.raises(PresetError, match="does not load as ImageClassifier") as caught:
        load_task(keras_hub.models.ImageClassifier, presets.find_preset(name), num_classes=2)
    assert "\n" not in str(caught.value)
