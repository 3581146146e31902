"""A user's Keras callbacks reach every stage, of a resumed run too when they are given again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global keras

    import keras


QUIET = Console(quiet=True)


def counting_callback(interrupt_at: int | None = None, stops: bool = False) -> Any:
    """Counts what it hears of; interrupts when an epoch (from 0) begins, or ends its first stage
    after one epoch, if asked to."""

    class Counting(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.stages = 0
            self.epochs: list[int] = []
            self.losses: list[float] = []

        def on_train_begin(self, logs: Any = None) -> None:
            self.stages += 1

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == interrupt_at:
                raise KeyboardInterrupt

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.epochs.append(epoch)
            self.losses.append(logs["val_loss"])
            if stops and self.stages == 1:
                self.model.stop_training = True

    return Counting()


def test_callbacks_hear_of_every_epoch_of_every_stage(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    counting = counting_callback()
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
    before, after = counting_callback(interrupt_at=1), counting_callback()
    options: dict[str, Any] = {"run_dir": tmp_path / "run", "console": QUIET, **tiny_settings}
    with pytest.raises(KeyboardInterrupt):
        kfine.fit("image_classification", callbacks=[before], **options)
    run = kfine.fit(resume=tmp_path / "run", callbacks=(after,), console=QUIET)
    assert (before.epochs, after.epochs) == ([0], [1, 2])
    assert after.stages == 2
    assert [entry["epoch"] for entry in run.history] == [1, 2, 3]


def test_a_callback_that_stops_ends_its_stage_and_the_next_begins_early(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    stopping = counting_callback(interrupt_at=2, stops=True)
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
        (lambda: ["early stopping"], r"a list of Keras callbacks\. Received: 'early stopping'"),
        (counting_callback, r"a list of Keras callbacks\. Received: <"),
        (lambda: [kfine.GradualUnfreezing("2:1")], r"as in unfreeze='2:1', in place of"),
    ],
)
def test_wrong_callbacks_are_refused_before_anything_is_made(
    callbacks: Any, message: str, tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        kfine.fit(
            "image_classification", run_dir=tmp_path / "run", callbacks=callbacks(), **tiny_settings
        )
    assert not (tmp_path / "run").exists()
