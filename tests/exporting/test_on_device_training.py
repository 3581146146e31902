"""A file that learns: trained in the LiteRT interpreter as a phone would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.errors import ExportError


def facts(trained: Any, form: str) -> dict[str, Any]:
    return dict(trained.plan(form=form).facts())


@pytest.fixture(scope="module")
def trainable(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from kfine.exporting.formats.on_device_training import write_trainable

    path, about = tmp_path_factory.mktemp("trainable") / "model.tflite", facts(trained, "fixed")
    return write_trainable(trained.inference("fixed"), path, trained.names, about, quantize="none")


@pytest.fixture
def interpreter(trainable: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_path=str(trainable))


@pytest.fixture(scope="module")
def features(trained: Any, trainable: Path) -> np.ndarray:
    """Of the held-out images, one at a time as on a phone."""
    from ai_edge_litert.interpreter import Interpreter

    from kfine.inputs.image.pixels import resize_image

    run = Interpreter(model_path=str(trainable)).get_signature_runner("features")
    images = [resize_image(image, (16, 16))[None] for image in trained.images]
    return np.concatenate([run(image=image)["features"] for image in images])


def head_of(trained: Any) -> tuple[np.ndarray, np.ndarray]:
    kernel, bias = trained.model.layers[-1].get_weights()
    return kernel, bias


def softmax(logits: np.ndarray) -> np.ndarray:
    values = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(values / values.sum(-1, keepdims=True))


def test_the_file_needs_builtin_operations_only(trainable: Path) -> None:
    from kfine.exporting.measuring.scan import custom_ops

    assert custom_ops(trainable) == []


def test_before_any_training_it_answers_like_the_model(trained: Any, trainable: Path) -> None:
    from kfine.runtimes.loading import load_exported

    exported = load_exported(trainable)
    assert (exported.labels, exported.form) == (trained.names, "fixed")
    got = np.stack(list(exported.predict(trained.images)))
    assert np.abs(got - trained.probabilities).max() < 1e-4


@pytest.mark.parametrize("rows", [1, 7, 32])
def test_one_step_is_gradient_descent_on_the_cross_entropy(
    trained: Any, interpreter: Any, features: np.ndarray, rows: int
) -> None:
    kernel, bias = head_of(trained)
    labels = np.eye(10, dtype=np.float32)[trained.targets[:rows]]
    rate = np.float32(0.1)
    got = interpreter.get_signature_runner("train")(
        features=features[:rows], labels=labels, learning_rate=rate
    )
    before = softmax(features[:rows] @ kernel + bias)
    assert got["loss"] == pytest.approx(-np.log((before * labels).sum(-1)).mean(), rel=1e-3)
    error = (before - labels) / rows
    saved = interpreter.get_signature_runner("save")()
    assert np.allclose(saved["kernel"], kernel - rate * features[:rows].T @ error, atol=1e-5)
    assert np.allclose(saved["bias"], bias - rate * error.sum(0), atol=1e-5)


def test_it_learns_new_meanings_keeps_them_and_takes_them_back(
    trained: Any, interpreter: Any, features: np.ndarray
) -> None:
    train = interpreter.get_signature_runner("train")
    # Somebody's digits mean something else: each class is renamed to the next.
    targets = (trained.targets + 1) % 10
    labels = np.eye(10, dtype=np.float32)[targets]
    half = len(labels) // 2
    start = interpreter.get_signature_runner("save")()
    losses = [
        train(
            features=features[first : first + 25],
            labels=labels[first : first + 25],
            learning_rate=np.float32(0.03),
        )["loss"]
        for _ in range(30)
        for first in range(0, half, 25)
    ]
    assert np.mean(losses[-6:]) < 0.2 * np.mean(losses[:6])
    learned = interpreter.get_signature_runner("save")()

    def accuracy(head: dict[str, np.ndarray]) -> float:
        answers = (features[half:] @ head["kernel"] + head["bias"]).argmax(-1)
        return float(np.mean(answers == targets[half:]))

    assert accuracy(start) < 0.1
    assert accuracy(learned) > 0.7
    infer = interpreter.get_signature_runner("infer")
    image = np.zeros((1, 16, 16, 3), np.uint8)
    after = infer(image=image)["probabilities"]
    interpreter.get_signature_runner("restore")(**start)
    assert np.abs(infer(image=image)["probabilities"] - after).max() > 0.05
    interpreter.get_signature_runner("restore")(**learned)
    assert np.array_equal(infer(image=image)["probabilities"], after)


def test_what_was_learned_goes_into_a_fresh_interpreter(
    trained: Any, trainable: Path, interpreter: Any
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    kernel, bias = head_of(trained)
    learned = {"kernel": kernel[:, ::-1].copy(), "bias": bias[::-1].copy()}
    image = np.full((1, 16, 16, 3), 80, np.uint8)
    plain = interpreter.get_signature_runner("infer")(image=image)["probabilities"]
    fresh = Interpreter(model_path=str(trainable))
    fresh.get_signature_runner("restore")(**learned)
    swapped = fresh.get_signature_runner("infer")(image=image)["probabilities"]
    assert np.abs(swapped[:, ::-1] - plain).max() < 1e-5


def test_frozen_weights_in_float16_halve_the_file(
    trained: Any, trainable: Path, tmp_path: Path
) -> None:
    from kfine.exporting.formats.on_device_training import write_trainable
    from kfine.runtimes.loading import load_exported

    half = write_trainable(
        trained.inference(), tmp_path / "half.tflite", trained.names, facts(trained, "any")
    )
    assert half.stat().st_size < 0.7 * trainable.stat().st_size
    got = np.stack(list(load_exported(half).predict(trained.images)))
    assert np.mean(got.argmax(1) == trained.probabilities.argmax(1)) > 0.99
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.tflite"]


def test_a_model_that_does_not_end_in_a_dense_layer_is_refused(
    trained: Any, tmp_path: Path
) -> None:
    import keras

    from kfine.exporting.formats.on_device_training import write_trainable

    image = keras.Input((16, 16, 3))
    logits = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(10, 3)(image))
    inference = replace(trained, model=keras.Model(image, logits)).inference()
    with pytest.raises(ExportError, match="ends in GlobalAveragePooling2D"):
        write_trainable(inference, tmp_path / "x.tflite", trained.names, {})
    assert not list(tmp_path.iterdir())
