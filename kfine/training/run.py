"""A run that was trained: its settings, its history, its model, its input and its answer."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.config import make_config
from kfine.recipe import recipe_of_run
from kfine.runs.folder import RunFolder, open_run
from kfine.training.parts import parts_of_run

if TYPE_CHECKING:
    from kfine.answers import Answer
    from kfine.inputs import Input
    from kfine.runtimes.keras_model import KerasPredictor


class TrainedRun:
    """A finished run.

    Args:
        folder: The run folder, or its path.

    Raises:
        RunError: The path is no run folder.
    """

    def __init__(self, folder: RunFolder | str | Path) -> None:
        self._folder = folder if isinstance(folder, RunFolder) else open_run(folder)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @property
    def folder(self) -> RunFolder:
        """Its small files."""
        return self._folder

    @property
    def path(self) -> Path:
        """The run folder."""
        return self._folder.path

    @cached_property
    def config(self) -> Any:
        """The resolved config, an instance of the recipe's `Config`."""
        module, _ = recipe_of_run(self._folder)
        return make_config(module.Config, {}, self.path / "config.yaml")

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the answer tells apart, in the order of the model's outputs."""
        return tuple(self._folder.info()["class_names"])

    @property
    def history(self) -> list[dict[str, Any]]:
        """One entry per epoch: epoch, stage, learning rate, losses and metrics."""
        history: list[dict[str, Any]] = self._folder.read("history.json")
        return history

    @property
    def refit(self) -> dict[str, Any]:
        """How the model came to train on its validation examples too; empty if it did not."""
        return dict(self._folder.info().get("refit") or {})

    @property
    def columns(self) -> dict[str, str]:
        """The columns that the examples were read from, by the setting that names them."""
        return dict(self.folder.read("data.json").get("columns", {}))

    @cached_property
    def model(self) -> Any:
        """The fine-tuned Keras model: what the input prepares in, what the losses compare out."""
        self._folder.require_finished()
        from kfine.backend import load_backend

        load_backend()
        import keras

        return keras.saving.load_model(self._folder.model_path, compile=False)

    @cached_property
    def _parts(self) -> tuple[Input, Answer]:
        return parts_of_run(self._folder)

    @property
    def input(self) -> Input:
        """What the model is given."""
        return self._parts[0]

    @property
    def answer(self) -> Answer:
        """What the model answers."""
        return self._parts[1]

    def answering(self, answer: Answer) -> TrainedRun:
        """The same run with another answer, such as a calibrated one; the model is shared."""
        other = TrainedRun(self._folder)
        other.__dict__.update(model=self.model, _parts=(self.input, answer))
        return other

    @property
    def predictor(self) -> KerasPredictor:
        """The model as something that predicts."""
        model = self.model  # loads Keras quietly, which what is imported next would not
        from kfine.runtimes.keras_model import KerasPredictor

        return KerasPredictor(model, self.input, self.answer, self.config.batch_size)


def as_run(run: TrainedRun | str | Path) -> TrainedRun:
    """A run from itself or from its path."""
    return run if isinstance(run, TrainedRun) else TrainedRun(run)
