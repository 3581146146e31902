"""What an evaluation leaves behind: metrics, predictions, plots, mistakes."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from kfine.runs.files import write_json, write_text


def write_evaluation(
    folder: Path, metrics: dict[str, Any], scored: Any, predictions: Any, module: Any
) -> None:
    """Write `metrics.json` and `predictions.json`.

    For classes also `plots/`, or `mistakes.csv` where the examples are texts.

    Raises:
        RunError: The folder cannot be written.
    """
    write_json(folder / "metrics.json", metrics)
    if hasattr(module, "interpret"):
        rows = [
            {"name": name, "answers": module.describe(one, scored.class_names)}
            for name, one in zip(scored.test.names, predictions, strict=True)
        ]
        write_json(folder / "predictions.json", rows)
        return
    write_json(folder / "predictions.json", _rows(scored.test, predictions, scored.class_names))
    _draw(folder / "plots", metrics, scored, predictions)


def evaluation_folder(run: Path, data: str | None) -> Path:
    """Where `evaluate` writes: the run folder, or one below it named after other data."""
    return run if data is None else run / "evaluations" / evaluation_name(data)


def evaluation_name(data: str) -> str:
    """A folder name for other data."""
    # Two parts of the path, since many folders are called "test".
    name = "-".join(Path(data).absolute().parts[-2:])
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


def _rows(split: Any, probabilities: np.ndarray, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "label": names[label],
            "prediction": names[row.argmax()],
            "probability": round(float(row.max()), 6),
        }
        for name, label, row in zip(split.names, split.labels, probabilities, strict=True)
    ]


def _write_mistakes(path: Path, data: Any, probabilities: np.ndarray) -> None:
    """All mistakes with their texts, the most confident first."""
    from kfine.evaluation import confident_mistakes

    test = data.test
    texts = test.inputs[range(len(test))]
    found = confident_mistakes(probabilities, test.labels, texts, data.class_names)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, ["label", "prediction", "probability", "text"], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(found)
    write_text(path, text.getvalue())


def _draw(folder: Path, metrics: dict[str, Any], data: Any, probabilities: np.ndarray) -> None:
    from kfine.evaluation.plots import confusion_matrix_png, mistakes_png

    names, test = data.class_names, data.test
    confusion_matrix_png(folder / "confusion_matrix.png", metrics["confusion_matrix"], names)
    if data.medium == "text":
        _write_mistakes(folder.parent / "mistakes.csv", data, probabilities)
        return
    predicted = probabilities.argmax(-1)
    wrong = np.flatnonzero(predicted != test.labels)
    worst = wrong[np.argsort(-probabilities[wrong].max(-1), kind="stable")][:24]
    mistakes_png(
        folder / "mistakes.png",
        test.inputs[worst],
        [names[label] for label in test.labels[worst]],
        [names[label] for label in predicted[worst]],
        probabilities[worst].max(-1),
        names,
    )
