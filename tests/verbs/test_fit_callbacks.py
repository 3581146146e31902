"""A user's Keras callbacks reach every stage, of a resumed run too when they are given again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError

QUIET = Console(quiet=True)


class Counting(keras.callbacks.Callback):
    """Counts what it hears of; interrupts when an epoch (from 0) begins, if asked to."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        super().__init__()
        self.interrupt_at = interrupt_at
        self.stages = 0
        self.epochs: list[int] = []
        self.losses: list[float] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.stages += 1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.interrupt_at:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(epoch)
        self.losses.append(logs["val_loss"])


def test_callbacks_hear_of_every_epoch_of_every_stage(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    counting = Counting()
    run = kfine.fit(
        "image_classification",
        run_dir=tmp_path / "run",
        callbacks=[counting],
        console=QUIET,
        **tiny_settings,
    )
    assert counting.stages == 3
    assert counting.epochs == [0, 1, 2]
    assert counting.losses == pytest.approx([entry["val_loss"] for entry in run.history])


def test_a_resumed_run_calls_those_that_are_given_again(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    before, after = Counting(interrupt_at=1), Counting()
    options: dict[str, Any] = {"run_dir": tmp_path / "run", "console": QUIET, **tiny_settings}
    with pytest.raises(KeyboardInterrupt):
        kfine.fit("image_classification", callbacks=[before], **options)
    run = kfine.fit(resume=tmp_path / "run", callbacks=(after,), console=QUIET)
    assert (before.epochs, after.epochs) == ([0], [1, 2])
    assert after.stages == 2
    assert [entry["epoch"] for entry in run.history] == [1, 2, 3]


class Stopping(Counting):
    """Ends the first stage that it hears of after one epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_end(epoch, logs)
        if self.stages == 1:
            self.model.stop_training = True


def test_a_callback_that_stops_ends_its_stage_and_the_next_begins_early(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    stopping = Stopping(interrupt_at=2)
    settings: dict[str, Any] = {**tiny_settings, "epochs": 4, "unfreeze": "4:2"}
    with pytest.raises(KeyboardInterrupt):
        kfine.fit(
            "image_classification",
            run_dir=tmp_path / "run",
            callbacks=[stopping],
            console=QUIET,
            **settings,
        )
    assert (stopping.stages, stopping.epochs) == (2, [0, 1])
    # The proof of stage 2 holds in the resumed run as well: it knows when that stage began.
    run = kfine.fit(resume=tmp_path / "run", console=QUIET)
    assert [entry["stage"] for entry in run.history] == [1, 2, 2, 2]


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (["early stopping"], r"a list of Keras callbacks\. Received: 'early stopping'"),
        (Counting(), r"a list of Keras callbacks\. Received: <"),
        ([kfine.GradualUnfreezing("2:1")], r"as in unfreeze='2:1', in place of"),
    ],
)
def test_wrong_callbacks_are_refused_before_anything_is_made(
    callbacks: Any, message: str, tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        kfine.fit(
            "image_classification", run_dir=tmp_path / "run", callbacks=callbacks, **tiny_settings
        )
    assert not (tmp_path / "run").exists()
