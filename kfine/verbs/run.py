"""The facade of a run folder that the library's verbs return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfine.training.run import TrainedRun

if TYPE_CHECKING:
    from kfine.exporting.report import ExportReport
    from kfine.verbs.predict import Prediction


class Run(TrainedRun):
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

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics of the test split; evaluates the run when nobody has yet."""
        if not (self.path / "metrics.json").is_file():
            return self.evaluate()
        metrics: dict[str, Any] = self.folder.read("metrics.json")
        return metrics

    def evaluate(self, data: str | None = None, **options: Any) -> dict[str, Any]:
        """Score the test split, or other data; see `kfine.evaluate`."""
        from kfine.verbs.evaluate import evaluate

        return evaluate(self, data=data, **options)

    def predict(self, examples: Any, **options: Any) -> list[Prediction]:
        """Predict examples; see `kfine.predict`."""
        from kfine.verbs.predict import predict

        return predict(self, examples, **options)

    def export(self, **options: Any) -> ExportReport:
        """Export and measure a file; see `kfine.export`."""
        from kfine.verbs.export import export

        return export(self, **options)
