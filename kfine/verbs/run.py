"""The facade of a run folder that the library's verbs return."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from kfine.config import make_config
from kfine.runs.folder import RunFolder, open_run
from kfine.verbs.recipes import recipe_of_run


class Run:
    """A finished run: its settings, its history, its model, and what can be done with it.

    Args:
        folder: The run folder, or its path.

    Raises:
        RunError: The path is no run folder.

    Example:

    ```python
    run = kfine.Run("runs/flowers")
    run.export(format="tflite", quantize="float16")
    ```
    """

    def __init__(self, folder: RunFolder | str | Path) -> None:
        self._folder = folder if isinstance(folder, RunFolder) else open_run(folder)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

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
        """The classes in the order of the model's outputs."""
        return tuple(self._folder.info()["class_names"])

    @property
    def history(self) -> list[dict[str, Any]]:
        """One entry per epoch: epoch, stage, learning rate, losses and metrics."""
        history: list[dict[str, Any]] = self._folder.read("history.json")
        return history

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics of the test split; evaluates the run when nobody has yet."""
        if not (self.path / "metrics.json").is_file():
            return self.evaluate()
        metrics: dict[str, Any] = self._folder.read("metrics.json")
        return metrics

    @cached_property
    def model(self) -> Any:
        """The fine-tuned Keras model: normalised images in, logits out."""
        self._folder.require_finished()
        from kfine.backend import load_backend

        load_backend()
        import keras

        return keras.saving.load_model(self._folder.model_path, compile=False)

    @cached_property
    def preprocessing(self) -> Any:
        """What turns raw examples into the model's input."""
        from kfine.models.preprocessing import read_preprocessing

        return read_preprocessing(self._folder.read("preprocessing.json"), self.path)

    def evaluate(self, data: str | None = None, **options: Any) -> dict[str, Any]:
        """Score the test split, or other data; see `kfine.evaluate`."""
        from kfine.verbs.evaluate import evaluate

        return evaluate(self, data=data, **options)

    def predict(self, images: Any, **options: Any) -> Any:
        """Predict images; see `kfine.predict`."""
        from kfine.verbs.predict import predict

        return predict(self, images, **options)

    def export(self, **options: Any) -> Any:
        """Export and measure a file; see `kfine.export`."""
        from kfine.verbs.export import export

        return export(self, **options)


def as_run(run: Run | str | Path) -> Run:
    """A run from itself or from its path."""
    return run if isinstance(run, Run) else Run(run)
