"""The callback in anybody's `model.fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kfine.console import Console
from kfine.errors import ConfigError

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global EpochClock, GradualUnfreezing, keras, run_stages

    import keras

    from kfine.training import GradualUnfreezing
    from kfine.training.callbacks import EpochClock
    from kfine.training.engine import run_stages


def test_the_callback_in_a_plain_fit_and_the_engine_give_equal_weights(
    make_job: Callable[..., Any],
) -> None:
    """To the last bit with float32 features; others have BatchNorm folded in the frozen layers."""
    settings = {"epochs": 4, "unfreeze": "2:1,4:3", "feature_cache": "float32"}
    settings |= {"head_start": "random"}
    staged = make_job(**settings, early_stopping=0)
    run_stages_without_restoring(staged)
    plain = make_job(**settings)
    plain.model.fit(
        plain.batches.dataset(),
        epochs=4,
        validation_data=plain.validation.in_order(),
        callbacks=[
            GradualUnfreezing("2:1,4:3"),
            EpochClock(plain.batches, plain.config.seed),
        ],
        verbose=0,
        shuffle=False,
    )
    for ours, theirs in zip(staged.model.weights, plain.model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


def run_stages_without_restoring(job: Any) -> None:
    weights: list[np.ndarray] = []

    class Keep(Console):
        def say(self, line: str = "") -> None:
            if line.startswith("  moved"):
                weights[:] = [v.numpy() for v in job.model.weights]

    run_stages(job, checkpoints=None, console=Keep(quiet=True))
    job.model.set_weights(weights)


def plain_model() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4, name=name) for name in ("first", "second", "last")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("adam", "mse")
    return model


DATA = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")


def test_it_works_with_any_model_and_optimizer() -> None:
    model = plain_model()
    before = [layer.kernel.numpy() for layer in model.layers]
    model.fit(DATA, DATA, epochs=2, verbose=0, callbacks=[GradualUnfreezing("2:1")])
    changed = [
        not np.array_equal(old, layer.kernel.numpy())
        for old, layer in zip(before, model.layers, strict=True)
    ]
    assert changed == [False, True, True]


def test_it_takes_a_list_of_stages_without_rates() -> None:
    model = plain_model()
    stages = [
        {"epochs": 1, "groups": ["head"]},
        {"epochs": 1, "groups": ["second", "head"]},
    ]
    before = [layer.kernel.numpy() for layer in model.layers]
    model.fit(DATA, DATA, epochs=2, verbose=0, callbacks=[GradualUnfreezing(stages)])
    same = map(np.array_equal, before, [layer.kernel.numpy() for layer in model.layers])
    assert list(same) == [True, False, False]
    with pytest.raises(ConfigError, match=r"to the optimizer; .* Received: .*'learning_rate': 0.1"):
        GradualUnfreezing([{**stages[0], "learning_rate": 0.1}])


def test_continuing_with_initial_epoch_is_in_the_right_stage() -> None:
    model = plain_model()
    model.fit(
        DATA, DATA, initial_epoch=1, epochs=2, verbose=0, callbacks=[GradualUnfreezing("2:1")]
    )
    assert [layer.trainable for layer in model.layers] == [False, True, True]


def test_a_schedule_that_does_not_fit_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="backbone has 2"):
        plain_model().fit(DATA, DATA, epochs=2, verbose=0, callbacks=[GradualUnfreezing("2:9")])


def test_an_optimizer_built_on_too_few_variables_is_refused() -> None:
    model = plain_model()
    model.layers[0].trainable = model.layers[1].trainable = False
    model.fit(DATA, DATA, verbose=0)
    with pytest.raises(ValueError, match="compile the model again"):
        model.fit(DATA, DATA, epochs=2, verbose=0, callbacks=[GradualUnfreezing("all")])


def test_keras_ignores_a_trainable_flag_that_changes_during_fit() -> None:
    """The fact of the stack that `apply_stage` is there for."""

    class OnlyTheFlag(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.layers[0].trainable = False

    model = plain_model()
    model.fit(DATA, DATA, verbose=0)
    before = model.layers[0].kernel.numpy()
    model.fit(DATA, DATA, verbose=0, callbacks=[OnlyTheFlag()])
    assert not np.array_equal(before, model.layers[0].kernel.numpy())
