"""Early stopping and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kfine.console import Console
from kfine.training.settings import TrainingConfig

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global BestWeights, keras, run_stages

    import keras

    from kfine.training.callbacks import BestWeights
    from kfine.training.engine import run_stages


def fed(losses: list[float], **options: Any) -> tuple[BestWeights, int]:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    best = BestWeights(model.weights, **options)
    model.compile("sgd", "mse")
    model.stop_training = False
    best.set_model(model)
    for epoch, loss in enumerate(losses):
        best.on_epoch_end(epoch, {"val_loss": loss})
        if best.model.stop_training:
            return best, epoch + 1
    return best, len(losses)


def test_it_stops_after_its_patience_in_the_last_stage_only() -> None:
    best, epochs = fed([1.0, 2.0, 2.0, 2.0, 2.0, 2.0], patience=2, stop_from=3)
    assert (best.epoch, epochs, best.stopped) == (0, 5, True)


def test_a_lower_loss_starts_the_patience_again() -> None:
    best, epochs = fed([1.0, 2.0, 0.9, 2.0, 2.0], patience=2, stop_from=0)
    assert (best.epoch, epochs) == (2, 5)


def test_no_patience_never_stops() -> None:
    assert fed([1.0] + [2.0] * 20, patience=0, stop_from=0)[1] == 21


def test_long_schedules_have_more_patience_unless_it_is_set() -> None:
    assert [TrainingConfig(epochs=epochs).patience for epochs in (3, 12, 24, 48)] == [8, 8, 12, 24]
    assert TrainingConfig(epochs=48, early_stopping=3).patience == 3
    assert TrainingConfig(epochs=48, early_stopping=0).patience == 0


def test_a_number_replaces_a_loss_that_was_none() -> None:
    for choose in (True, False):
        best, _ = fed([math.nan, 2.0, math.nan], patience=0, stop_from=0, choose=choose)
        assert (best.epoch, best.value) == (1, 2.0)


def test_a_loss_that_is_nan_does_not_replace_a_number() -> None:
    best, _ = fed([1.0, float("nan"), 2.0], patience=0, stop_from=0)
    assert best.epoch == 0


def test_too_few_examples_to_choose_by_keep_the_last_epoch() -> None:
    best, epochs = fed([1.0, 2.0, 3.0, float("nan")], patience=1, stop_from=0, choose=False)
    assert (best.epoch, epochs, best.stopped) == (2, 4, False)


def test_the_model_ends_with_the_weights_that_validation_scored_best(
    make_job: Callable[..., Any],
) -> None:
    for momentum in (0.0, 0.9):
        job = make_job(ema=momentum, label_smoothing=0.0)
        history, best = run_stages(job, checkpoints=None, console=Console(quiet=True))
        losses = [entry["val_loss"] for entry in history]
        assert best.epoch == int(np.argmin(losses))
        found = job.model.evaluate(job.validation.in_order(), verbose=0)[0]
        assert np.isclose(found, min(losses), atol=1e-3)


def test_the_averages_are_what_is_kept(make_job: Callable[..., Any]) -> None:
    job = make_job(ema=0.9, unfreeze="none", epochs=1)
    run_stages(job, checkpoints=None, console=Console(quiet=True))
    optimizer = job.model.optimizer
    averages = [one.numpy() for one in optimizer._model_variables_moving_average]
    kept = [one.numpy() for one in optimizer._trainable_variables]
    assert averages
    assert all(np.array_equal(a, b) for a, b in zip(averages, kept, strict=True))
