"""What an evaluation leaves behind: metrics, predictions, plots, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfine.answers import Answer
from kfine.answers.score import Score
from kfine.console import Console
from kfine.data.split import Split
from kfine.errors import RunError
from kfine.inputs import Input
from kfine.runs.files import plain_disk_errors, write_json

# In `metrics.json`; all of them are in the file that the input writes.
_SHOWN = 10
# Of what stands inside images.
_DRAWN = 8
WORST = "plots/worst.png"


def keep_evaluation(
    console: Console,
    folder: Path,
    metrics: dict[str, Any],
    score: Score,
    predictions: Sequence[Any],
    split: Split,
    input: Input,
    answer: Answer,
    untuned: Sequence[Any] | None = None,
) -> None:
    """Write `metrics.json` and `predictions.json`, and what input and answer have to show.

    What the `untuned` model says, if it says anything, stands beside what the tuned one does.

    Adds the most confident mistakes to the metrics, where the answer lists them. A folder that
    cannot be written is warned of and no more: the scores are there.
    """
    try:
        with plain_disk_errors(folder):
            _write(folder, metrics, predictions, split, input, answer, untuned)
            answer.draw(folder / "plots", score)
            if hasattr(answer, "drawn"):
                _draw_worst(folder / WORST, predictions, split, answer, score)
    except RunError as error:
        console.warn(f"the metrics are not kept: {error}")


def _write(
    folder: Path,
    metrics: dict[str, Any],
    predictions: Sequence[Any],
    split: Split,
    input: Input,
    answer: Answer,
    untuned: Sequence[Any] | None,
) -> None:
    mistakes = answer.mistakes(predictions, split.labels)
    before = None if untuned is None else [str(answer.settle(one)) for one in untuned]
    if mistakes is not None:
        if before is not None:
            mistakes = [replace(one, untuned=before[one.index]) for one in mistakes]
        folder.mkdir(parents=True, exist_ok=True)
        name = input.write_mistakes(folder, split.inputs, mistakes, answer.names)
        shown = [
            {
                "name": split.names[one.index],
                "label": one.label,
                "prediction": one.prediction,
                "probability": one.probability,
                "example": input.caption(split.inputs[[one.index]][0]),
            }
            for one in mistakes[:_SHOWN]
        ]
        metrics["mistakes"] = {"file": name, "count": len(mistakes), "worst": shown}
    if hasattr(answer, "drawn"):
        metrics["pictures"] = WORST
    write_json(folder / "metrics.json", metrics)
    rows = [
        {"name": name, **answer.row(one, label)}
        for name, one, label in zip(split.names, predictions, split.labels, strict=True)
    ]
    if before is not None:
        rows = [{**row, "untuned": one} for row, one in zip(rows, before, strict=True)]
    write_json(folder / "predictions.json", rows)


def _draw_worst(
    path: Path, predictions: Sequence[Any], split: Split, answer: Any, score: Score
) -> None:
    """The examples that are least right: as they are, the truth, and what was found."""
    from kfine.drawing.pictures import pictures_png

    worst = score.each.argsort(kind="stable")[:_DRAWN].tolist()
    images = split.examples(worst)
    rows = [
        [image, answer.drawn(image, split.labels[index]), answer.drawn(image, predictions[index])]
        for image, index in zip(images, worst, strict=True)
    ]
    captions = [f"{split.names[one]}: {score.each[one]:.2f}" for one in worst]
    pictures_png(path, rows, ("image", "truth", "prediction"), captions, answer.legend())


def evaluation_folder(run: Path, data: str | None) -> Path:
    """Where `evaluate` writes: the run folder, or one below it named after other data."""
    return run if data is None else run / "evaluations" / evaluation_name(data)


def evaluation_name(data: str) -> str:
    """A folder name for other data."""
    # Two parts of the path, since many folders are called "test".
    name = "-".join(Path(data).absolute().parts[-2:])
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
