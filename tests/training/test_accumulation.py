"""A batch that is computed in parts is the same step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.keras_private import flattened

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global StagedAdamW, TagLoss, compute_in_parts, compute_whole, keras, run_stages

    import keras

    from kfine.answers.losses import TagLoss
    from kfine.training.accumulation import compute_in_parts, compute_whole
    from kfine.training.engine import run_stages
    from kfine.training.optimizer import StagedAdamW


def two_outputs(parts: int) -> tuple[Any, dict[str, list[float]]]:
    """A model of tokens with a class and tags, after three epochs of 23 examples, and its scores.

    The last batch has three examples; the examples have weights, the tags of some tokens do not
    count, and a kernel is regularized.
    """
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    tokens = random.integers(0, 9, (23, 6)).astype("int32")
    tags = np.where(random.random((23, 6)) < 0.4, -1, tokens % 3)
    given = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(9, 4)(given)
    x = keras.layers.Dense(4, activation="tanh", kernel_regularizer="l2")(x)
    outputs = {
        "kind": keras.layers.Dense(2, name="kind")(keras.layers.Flatten()(x)),
        "tags": keras.layers.Dense(3, name="tags")(x),
    }
    model = keras.Model(given, outputs)
    losses = {"kind": keras.losses.CategoricalCrossentropy(from_logits=True), "tags": TagLoss()}
    model.compile(
        StagedAdamW(0.01, global_clipnorm=0.2),
        loss=losses,
        metrics={"kind": ["accuracy"]},
        loss_weights={"kind": 0.5, "tags": 2.0},
    )
    compute_in_parts(model, losses, parts)
    targets = {"kind": np.eye(2, dtype="float32")[tokens[:, 0] % 2], "tags": tags}
    weights = {"kind": random.random(23).astype("float32"), "tags": np.ones(23, "float32")}
    found = model.fit(
        tokens,
        targets,
        sample_weight=weights,
        validation_data=(tokens, targets),
        epochs=3,
        batch_size=10,
        shuffle=False,
        verbose=0,
    )
    return model, found.history


@pytest.mark.parametrize("parts", [2, 7])
def test_parts_of_a_batch_are_one_step_whatever_the_losses_are_a_mean_over(parts: int) -> None:
    """Of examples with weights, and of the tokens that count."""
    plain, expected = two_outputs(1)
    model, history = two_outputs(parts)
    for ours, theirs in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5, err_msg=ours.path)
    assert history.keys() == expected.keys()
    # The loss of one output of several is a mean in which Keras counts all calls alike.
    for name in ("loss", "val_loss", "kind_accuracy", "val_kind_accuracy"):
        assert history[name] == pytest.approx(expected[name], abs=1e-5), name


def test_a_model_is_as_keras_made_it_afterwards() -> None:
    model, _ = two_outputs(2)
    assert model.train_step.func.__name__ == "_train_step"
    compute_whole(model)
    assert model.train_step.__func__ is keras.Model.train_step
    assert model.test_step.__func__ is keras.Model.test_step


def test_a_model_with_a_training_step_of_its_own_is_refused() -> None:
    class Own(keras.Model):  # type: ignore[name-defined, misc]
        def train_step(self, data: Any) -> Any:
            return {}

    with pytest.raises(ConfigError, match=r"Own has its own; set accumulate to 1\."):
        compute_in_parts(Own(), "mse", 2)


@pytest.mark.slow
def test_a_staged_fit_in_parts_ends_with_the_same_weights(
    make_job: Callable[..., Any], fresh_cache: Path
) -> None:
    """With cached features and without, each stage and the choice of the epoch included."""
    weights, histories = [], []
    for parts in (1, 4):
        job = make_job(accumulate=parts, augmentation="none", feature_cache="float32")
        for layer in flattened(job.model):
            if hasattr(layer, "rate"):
                # Dropout would draw for each part anew.
                layer.rate = 0.0
        history, best = run_stages(job, checkpoints=None, console=Console(quiet=True))
        assert best.weights is not None
        weights.append([one.numpy() for one in job.model.weights])
        histories.append(history)
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    for one, other in zip(*histories, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_a_run_in_parts_leaves_a_model_that_loads(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    run = kfine.fit(
        "image_classification",
        run_dir=tmp_path / "run",
        console=Console(quiet=True),
        **{**tiny_settings, "accumulate": 3, "epochs": 2, "unfreeze": "2:2"},
    )
    photo = min(Path(tiny_settings["data"]).rglob("*.png"))
    assert len(run.predict([photo])) == 1
    assert "accumulate: 3" in (tmp_path / "run" / "config.yaml").read_text()


def test_more_parts_than_a_batch_has_examples_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"at most 2\. Received: 8; .* set batch_size to 16 too"):
        kfine.fit("text_generation", data="x", batch_size=2, accumulate=8)
