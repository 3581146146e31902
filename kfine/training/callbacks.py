"""The callbacks of a staged fit: epoch clock, averaged weights, best weights, progress."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kfine.console import Console, format_seconds
from kfine.data.pipeline import Batches
from kfine.keras_private import averages_of, trained_by
from kfine.seeds import derive_seed, reseed_layers
from kfine.training.divergence import loss_of


class EpochClock(keras.callbacks.Callback):
    """Makes order, augmentation and dropout of an epoch follow from the seed and its number.

    Args:
        batches: The training batches.
        seed: Seed of the run.
        whole: The model whose layers are reseeded, where only a part of it is in `fit`: a layer
            then gets the same seed in the part as in the whole.
    """

    def __init__(self, batches: Batches, seed: int, whole: keras.Model | None = None) -> None:
        super().__init__()
        self.batches = batches
        self.seed = seed
        self.whole = whole

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the epoch of the input pipeline and reseed all random layers."""
        self.batches.epoch = epoch
        reseed_layers(self.whole or self.model, derive_seed(self.seed, epoch))


class SeparateValidation(keras.callbacks.Callback):
    """Validates another model than the one in `fit`, which shares its layers.

    Args:
        model: A compiled model.
        batches: Its validation batches.
        callbacks: For the validation.
    """

    def __init__(
        self, model: keras.Model, batches: Any, callbacks: list[keras.callbacks.Callback]
    ) -> None:
        super().__init__()
        self.validated = model
        self.batches = batches
        self.callbacks = callbacks

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the validation metrics to those of the epoch."""
        assert logs is not None
        logs.update(validation_scores(self.validated, self.batches, self.callbacks))


def validation_scores(
    model: keras.Model, batches: Any, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> dict[str, float]:
    """Loss and metrics of a compiled model on validation batches, in the names of the history."""
    found = model.evaluate(batches, verbose=0, return_dict=True, callbacks=list(callbacks))
    return {f"val_{name}": float(value) for name, value in found.items()}


class AveragedWeights(keras.callbacks.Callback):
    """Validates on the exponential moving average of the weights, and trains on the weights.

    Reference:
        Polyak and Juditsky 1992; `keras.callbacks.SwapEMAWeights`, from which it departs in
        that it can be asked for the averages without swapping.
    """

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the averages into the model."""
        self._weights = [variable.numpy() for variable in self._variables()]
        for variable, average in _averages(self.model.optimizer):
            variable.assign(average)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Put the weights back."""
        for variable, weight in zip(self._variables(), self._weights, strict=True):
            variable.assign(weight)

    def _variables(self) -> list[Any]:
        return trained_by(self.model.optimizer)


def _averages(optimizer: Any) -> list[tuple[Any, Any]]:
    """Each variable that an optimizer averages, with its average."""
    return list(zip(trained_by(optimizer), averages_of(optimizer), strict=True))


def evaluated_weights(variables: Sequence[Any], optimizer: Any) -> list[np.ndarray]:
    """The values that validation scores: averaged where the optimizer keeps averages."""
    averages = {}
    if getattr(optimizer, "use_ema", False):
        averages = {variable.path: average for variable, average in _averages(optimizer)}
    return [averages.get(variable.path, variable).numpy() for variable in variables]


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the lowest validation loss and stops when it no longer falls.

    Args:
        variables: What it keeps.
        patience: Epochs without a lower loss before it stops; 0 never stops.
        stop_from: First epoch, counted from 0, in which it may stop (that of the last stage).
        choose: Whether there are enough validation examples to tell epochs apart; without, it
            keeps the last epoch and never stops.
    """

    def __init__(
        self, variables: Sequence[Any], *, patience: int, stop_from: int, choose: bool = True
    ) -> None:
        super().__init__()
        self.variables = variables
        self.patience = patience if choose else 0
        self.choose = choose
        self.stop_from = stop_from
        self.value = math.inf
        self.epoch = -1
        self.waited = 0
        self.stopped = False
        self.weights: list[np.ndarray] | None = None
        # Of the beginning, where these are as good as a model; and what the kept ones scored.
        self.start: list[np.ndarray] | None = None
        self.scores: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compare this epoch's validation loss with the best so far; without one, the loss."""
        _, value = loss_of(logs or {})
        better = math.isfinite(value) and (not self.choose or not value >= self.value)
        if better or self.weights is None:
            self.value, self.epoch, self.waited = value, epoch, 0
            self.weights = evaluated_weights(self.variables, self.model.optimizer)
        elif epoch >= self.stop_from:
            self.waited += 1
        if self.patience and self.waited >= self.patience:
            self.stopped = self.model.stop_training = True

    def begin(self) -> None:
        """Keep what the variables hold now as the weights of the beginning."""
        self.start = [variable.numpy() for variable in self.variables]

    def put_back(self, share: float = 1.0) -> None:
        """Give the variables the values of the best epoch.

        Args:
            share: How much they count in a mean with those of the beginning.
        """
        assert self.weights is not None
        values = self.weights
        if share < 1:
            assert self.start is not None
            pairs = zip(self.start, self.weights, strict=True)
            values = [(1 - share) * before + share * after for before, after in pairs]
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, apart from the weights."""
        return {name: getattr(self, name) for name in ("value", "epoch", "waited", "stopped")}

    def restore(self, state: dict[str, Any], weights: list[np.ndarray]) -> None:
        """Continue from what `state` gave."""
        for name, value in state.items():
            setattr(self, name, value)
        self.weights = weights


class Progress(keras.callbacks.Callback):
    """One line per epoch with the time left, and a moving one in a terminal."""

    def __init__(self, console: Console, epochs: int, steps: int) -> None:
        super().__init__()
        self.console = console
        self.epochs = epochs
        self.steps = steps
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._start = time.monotonic()
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Redraw the progress line."""
        done = batch + 1
        share = (time.monotonic() - self._start) / done
        loss = f", loss {logs['loss']:.3f}" if logs and "loss" in logs else ""
        self.console.progress(
            f"epoch {self._epoch + 1}/{self.epochs}: step {done} of {self.steps}{loss}, "
            f"{format_seconds(share * (self.steps - done))} left in this epoch"
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Say how the epoch went."""
        seconds = time.monotonic() - self._start
        self.seconds.append(seconds)
        # The first epoch of a stage traces the graph; the later ones tell the pace.
        pace = min(self.seconds[-3:])
        left = pace * (self.epochs - epoch - 1)
        self.console.say(
            f"epoch {epoch + 1}/{self.epochs}: {format_logs(logs or {})}, "
            f"{format_seconds(seconds)}" + (f", about {format_seconds(left)} left" if left else "")
        )


def format_logs(logs: dict[str, Any]) -> str:
    """Metrics of an epoch in one line, as Keras names them."""
    return ", ".join(f"{name} {float(value):.3f}" for name, value in logs.items())
