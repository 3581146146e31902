"""Fixtures: a tiny real preset, a few real images, a cache folder of their own."""

from __future__ import annotations

import importlib.util
import os
import sys

# Read when TensorFlow is imported, so before any test module.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import wave
from collections.abc import Callable
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import numpy as np
import pytest

KERAS = {"keras", "keras_hub", "keras_tuner", "tensorflow", "tensorflow_datasets"}


class WithoutKeras(MetaPathFinder):
    """Fails whoever imports Keras or TensorFlow, in words that no `except` takes for its own."""

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] in KERAS:
            pytest.fail(f"imports {name}: a test that needs Keras has @pytest.mark.keras")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-keras",
        action="store_true",
        help="run the tests that are not marked keras, and fail those of them that import it",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.without_keras:
        sys.meta_path.insert(0, WithoutKeras())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the tests whose fixtures need Keras, and leaves all of them out if asked to."""
    for item in items:
        if "needs_keras" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.keras)
    if config.option.without_keras:
        left_out = [item for item in items if item.get_closest_marker("keras")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("keras")]


@pytest.fixture(scope="session")
def needs_keras() -> None:
    """A fixture that asks for this one marks its tests `keras`."""


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test reads or fills the cache of the person who runs it."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["KFINE_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_preset(needs_keras: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A KerasHub preset folder: a four-block EfficientNet with dropout and BatchNorm inside."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(1)
    blocks = 3
    backbone = keras_hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0] * blocks,
        stackwise_depth_coefficients=[1.0] * blocks,
        stackwise_kernel_sizes=[3] * blocks,
        stackwise_num_repeats=[1, 2, 1],
        stackwise_input_filters=[8, 8, 16],
        stackwise_output_filters=[8, 16, 16],
        stackwise_expansion_ratios=[1, 2, 2],
        stackwise_squeeze_and_excite_ratios=[0.0] * blocks,
        stackwise_strides=[1, 2, 2],
        stackwise_block_types=["unfused"] * blocks,
        stackwise_force_input_filters=[0] * blocks,
        activation="relu6",
        dropout=0.2,
        depth_divisor=8,
        input_shape=(None, None, 3),
        use_depth_divisor_as_min_depth=True,
        stem_conv_padding="same",
    )
    converter = keras_hub.layers.EfficientNetImageConverter(
        image_size=(32, 32), scale=1 / 127.5, offset=-1.0
    )
    folder = tmp_path_factory.mktemp("presets") / "tiny"
    keras_hub.models.ImageClassifierPreprocessor  # noqa: B018  registers the family
    backbone.save_to_preset(folder)
    preprocessor = keras_hub.models.EfficientNetImageClassifierPreprocessor(converter)
    preprocessor.save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="session")
def digit_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real handwritten digits 0, 1 and 2 as PNG files in class folders: 48 of each."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    root = tmp_path_factory.mktemp("photos")
    digits = load_digits()
    for label, name in enumerate(("zero", "one", "two")):
        (root / name).mkdir()
        for index in np.flatnonzero(digits.target == label)[:48]:
            pixels = (digits.images[index] * (255 / 16)).round().astype("uint8")
            Image.fromarray(pixels).save(root / name / f"{index:04d}.png")
    return root


@pytest.fixture
def tiny_settings(tiny_preset: str, digit_photos: Path) -> dict[str, Any]:
    """Settings of an image classification that trains in seconds."""
    return {
        "data": str(digit_photos),
        "preset": tiny_preset,
        "epochs": 3,
        "unfreeze": "2:1,3:3",
        "batch_size": 16,
        "image_size": 32,
        "learning_rate": 0.01,
        "refit": "no",
    }


@pytest.fixture(scope="session")
def finished_run(
    tiny_preset: str, digit_photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a finished and evaluated run; tests read it and leave it as it is."""
    import kfine
    from kfine.console import Console

    path = tmp_path_factory.mktemp("runs") / "digits"
    quiet = Console(quiet=True)
    settings: dict[str, Any] = {"data": str(digit_photos), "preset": tiny_preset}
    settings |= {"epochs": 3, "unfreeze": "2:1,3:3", "batch_size": 16, "image_size": 32}
    settings |= {"learning_rate": 0.01, "refit": "no"}
    run = kfine.fit("image_classification", run_dir=path, console=quiet, **settings)
    kfine.evaluate(run, console=quiet)
    return path


GOOD = ("fine", "lovely", "warm", "witty", "moving")
BAD = ("dull", "cold", "loud", "empty", "tired")
OTHER = ("a", "the", "film", "plot", "is", "and", "very", "end", ",", ".")


@pytest.fixture(scope="session")
def tiny_text_preset(needs_keras: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A KerasHub preset folder: a BERT of two layers with the words of `mood_texts`."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(1)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *OTHER, "##s"]
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(vocabulary),
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_sequence_length=48,
    )
    folder = tmp_path_factory.mktemp("text-presets") / "tiny"
    backbone.save_to_preset(folder)
    tokenizer = keras_hub.models.BertTokenizer(vocabulary, lowercase=True)
    keras_hub.models.BertTextClassifierPreprocessor(tokenizer).save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="session")
def wide_text_preset(tiny_text_preset: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny preset with room for 96 positions."""
    import keras
    import keras_hub

    folder = tmp_path_factory.mktemp("text-presets") / "wide"
    keras.utils.set_random_seed(2)
    config = keras_hub.models.Backbone.from_preset(tiny_text_preset).get_config()
    keras_hub.models.BertBackbone(**{**config, "max_sequence_length": 96}).save_to_preset(folder)
    preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(tiny_text_preset)
    preprocessor.save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_speech_preset(needs_keras: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A KerasHub preset folder: Whisper with a block each, random, with the tokens of bytes."""
    import json

    import keras
    import keras_hub

    keras.utils.set_random_seed(3)
    read = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(one) for one in read] + [chr(256 + place) for place in range(256 - len(read))]
    merges = ["\u0120 l", "\u0120l o", "\u0120lo w", "\u0120 h", "\u0120h i"]
    tokens = [*letters, *(one.replace(" ", "") for one in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    marks = ("endoftext", "startoftranscript", "translate", "transcribe", "notimestamps")
    special = {f"<|{mark}|>": len(tokens) + place for place, mark in enumerate(marks)}
    backbone = keras_hub.models.WhisperBackbone(
        vocabulary_size=len(tokens) + len(marks),
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_encoder_sequence_length=400,
        max_decoder_sequence_length=64,
    )
    folder = tmp_path_factory.mktemp("speech-presets") / "tiny"
    backbone.save_to_preset(folder)
    parts = [json.loads(json.dumps(one)) for one in (vocabulary, special)]
    tokenizer = keras_hub.models.WhisperTokenizer(parts[0], merges, parts[1])
    tokenizer.save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_language_preset(needs_keras: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A KerasHub preset folder: Qwen with two blocks, random, bytes as tokens, and ChatML's."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(5)
    read = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(one) for one in read] + [chr(256 + place) for place in range(256 - len(read))]
    merges = ["\u0120 t", "\u0120t h", "\u0120th e", "b a", "ba l", "bal l"]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = [*special, *letters, *(one.replace(" ", "") for one in merges)]
    tokenizer = keras_hub.models.QwenTokenizer(
        vocabulary={token: number for number, token in enumerate(tokens)},
        merges=merges,
        unsplittable_tokens=special,
    )
    backbone = keras_hub.models.QwenBackbone(
        vocabulary_size=len(tokens),
        num_layers=2,
        num_query_heads=2,
        num_key_value_heads=1,
        hidden_dim=16,
        intermediate_dim=32,
    )
    folder = tmp_path_factory.mktemp("language-presets") / "tiny"
    backbone.save_to_preset(folder)
    tokenizer.save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="session")
def random_language_model(needs_keras: None) -> Callable[..., Any]:
    """`random_language_model("Qwen", ...)` is a small backbone of KerasHub with drawn weights."""
    import keras_hub
    import numpy as np

    def make(family: str, **own: Any) -> Any:
        found = getattr(keras_hub.models, f"{family}Backbone")(
            vocabulary_size=50,
            num_layers=2,
            num_query_heads=4,
            num_key_value_heads=2,
            hidden_dim=16,
            intermediate_dim=32,
            **own,
        )
        drawn = np.random.default_rng(0)
        for variable in found.weights:
            variable.assign(drawn.normal(size=variable.shape) * 0.4)
        return found

    return make


@pytest.fixture(scope="session")
def mood_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of 160 short reviews, each with good or with bad words among others."""
    import csv
    import random

    chance = random.Random(0)
    path = tmp_path_factory.mktemp("texts") / "moods.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(160):
            telling = BAD if number % 2 else GOOD
            words = chance.choices(OTHER, k=chance.randint(2, 22)) + chance.choices(telling, k=4)
            chance.shuffle(words)
            writer.writerow([" ".join(words), "bad" if number % 2 else "good"])
    return path


@pytest.fixture
def text_settings(tiny_text_preset: str, mood_texts: Path) -> dict[str, Any]:
    """Settings of a text classification that trains in seconds."""
    return {
        "data": str(mood_texts),
        "preset": tiny_text_preset,
        "epochs": 3,
        "batch_size": 16,
        "min_steps": 1,
        "learning_rate": 0.02,
        "backbone_rate": 0.5,
        "refit": "no",
    }


@dataclass(frozen=True)
class Spoken:
    """What a command left: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str


@pytest.fixture
def kfine_command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Spoken]:
    """`kfine_command("fit", ...)` runs the command line in this process."""
    from kfine.cli import main

    def run(*arguments: object) -> Spoken:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([str(one) for one in arguments])
        said = capsys.readouterr()
        return Spoken(int(exit.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    """Loads a program of a bundle into this process."""

    def load(path: Path) -> Any:
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.delitem(sys.modules, "tokenizer", raising=False)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.delitem(sys.modules, "tokenizer", raising=False)
        return module

    return load


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Low, middle and high tones in noise, at 8 kHz, of half a second to two."""
    root = tmp_path_factory.mktemp("tones")
    chance = np.random.default_rng(0)
    for name, hertz in (("low", 300), ("middle", 900), ("high", 2700)):
        (root / name).mkdir()
        for number in range(24):
            times = np.arange(4000 * (1 + 3 * (number % 6 == 0))) / 8000
            wave_ = np.sin(2 * np.pi * hertz * chance.uniform(0.9, 1.1) * times)
            sound = chance.uniform(0.1, 0.5) * wave_ + chance.normal(0, 0.02, len(times))
            with wave.open(str(root / name / f"{number:02d}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes((sound * 32767).astype("<i2").tobytes())
    return root
