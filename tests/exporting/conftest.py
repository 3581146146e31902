"""A small trained classifier of real handwritten digits, and its held-out images."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

if TYPE_CHECKING:
    import keras

    from kfine.answers.classes import Classes
    from kfine.exporting.export import HeldOut, Plan
    from kfine.inputs.image import Image


@dataclass(frozen=True)
class Trained:
    """A model of 16-pixel digits, raw images of 8 pixels, and probabilities of the model."""

    model: keras.Model
    input: Image
    answer: Classes
    train_images: np.ndarray
    images: np.ndarray
    targets: np.ndarray
    probabilities: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        return self.answer.names

    @property
    def labels(self) -> list[str]:
        return [self.names[target] for target in self.targets]

    def held_out(self) -> HeldOut:
        from kfine.exporting.export import HeldOut

        return HeldOut(self.images, self.labels, list(self.probabilities), self.answer)

    def plan(self, **settings: Any) -> Plan:
        from kfine.exporting.export import Plan

        return Plan(self.input, self.answer, **{"form": "any", **settings})

    def inference(self, form: str = "any") -> keras.Model:
        from kfine.exporting.inference import inference_model

        return inference_model(self.model, self.input, self.answer, form)


def probabilities_of(model: keras.Model, image: Image, images: object) -> np.ndarray:
    """The training pipeline's way: resized whole numbers, normalised, logits, softmax."""
    import keras

    from kfine.inputs.image.pixels import resize_image

    resized = np.stack([resize_image(i, image.image_size) for i in images])  # type: ignore[attr-defined]
    logits = model.predict(np.asarray(image.normalize(resized)), verbose=0)
    return np.asarray(keras.ops.softmax(logits))


@pytest.fixture(scope="session")
def trained(needs_keras: None) -> Trained:
    import keras
    from sklearn.datasets import load_digits

    from kfine.answers.classes import Classes
    from kfine.inputs.image import Image

    keras.utils.set_random_seed(0)
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None].repeat(3, axis=-1)
    image = Image((16, 16), (1 / 58, 1 / 57, 1 / 57), (-2.1, -2.0, -1.8))
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.8),
            keras.layers.ReLU(6.0),
            keras.layers.DepthwiseConv2D(3, padding="same"),
            keras.layers.ReLU(6.0),
            keras.layers.Conv2D(64, 1, activation="relu"),
            keras.layers.Conv2D(64, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    x = np.asarray(image.normalize(np.asarray(image.resize(images)).round()))
    model.fit(x[:1200], digits.target[:1200], epochs=6, verbose=0)
    held_out = images[1200:1500]
    return Trained(
        model,
        image,
        Classes(tuple(f"digit {name}" for name in digits.target_names)),
        images[:1200],
        held_out,
        digits.target[1200:1500],
        probabilities_of(model, image, held_out),
    )


@pytest.fixture(scope="session")
def predict_file() -> Callable[..., np.ndarray]:
    """`predict_file(path, examples)`: a file's predictions, one row each."""

    def predict(path: Path, examples: Any) -> np.ndarray:
        from kfine.runtimes.loading import load_exported

        return np.stack(list(load_exported(path).predict(examples)))

    return predict


@pytest.fixture(scope="session")
def text_run(
    tiny_text_preset: str, mood_texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished run of text classification; tests read it and leave it as it is."""
    import kfine
    from kfine.console import Console

    path = tmp_path_factory.mktemp("text-runs") / "moods"
    settings: dict[str, Any] = {"data": str(mood_texts), "preset": tiny_text_preset}
    settings |= {"epochs": 8, "batch_size": 16, "min_steps": 30, "refit": "no"}
    settings |= {"learning_rate": 0.05, "backbone_rate": 0.2}
    kfine.fit("text_classification", run_dir=path, console=Console(quiet=True), **settings)
    return path
