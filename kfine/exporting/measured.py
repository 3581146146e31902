"""Run an exported file on held-out examples: what it answers, how fast, how large it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfine.errors import ExportError
from kfine.exporting.gate import Metric, Verdict, accuracy, judge, refusal
from kfine.exporting.kinds import kind_of
from kfine.exporting.runner import load_exported
from kfine.exporting.scan import custom_ops
from kfine.statistics import wilson_interval

Progress = Callable[[str], None]


def silent(line: str) -> None:
    """Progress that nobody hears of."""


@dataclass(frozen=True)
class HeldOut:
    """Examples that the exported file is measured on.

    Attributes:
        examples: Raw ones, read one at a time: uint8 RGB `(height, width, 3)` of any size, or
            texts, each a str or a tuple of two.
        labels: True classes, integers `(examples,)`.
        probabilities: The Keras model's, `(examples, classes)`.
    """

    examples: Iterable[Any]
    labels: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class Measured:
    """One file on one split.

    Attributes:
        verdict: The gate's.
        milliseconds: Median per example on this machine, the first left out, without resizing
            or tokenizing outside the file; `None` if it did not run.
        size_bytes: Of the file, or of all files of the folder.
        accuracy_interval: 95 % Wilson interval of its accuracy, `None` if it did not run.
        recall_change: Class name -> the file's recall less the Keras model's, a fraction;
            classes without an example are left out.
    """

    verdict: Verdict
    milliseconds: float | None
    size_bytes: int
    accuracy_interval: tuple[float, float] | None
    recall_change: dict[str, float]


def measure_file(
    path: Path,
    held_out: HeldOut,
    class_names: Sequence[str],
    *,
    metric: Metric = accuracy,
    metric_name: str = "accuracy",
    max_drop: float = 0.01,
    progress: Progress = silent,
) -> Measured:
    """Run a file or SavedModel on every held-out example and judge it.

    Args:
        path: What `write_tflite`, `write_saved_model` and their like wrote.
        held_out: The examples and what Keras answers to them.
        class_names: In the order of the probabilities.
        metric: The primary metric `(probabilities, labels) -> float`, more is better.
        metric_name: Its name.
        max_drop: Largest allowed fall of the metric, a fraction.
        progress: Told how far it is.

    Raises:
        ExportError: There are no examples.
    """
    size = size_of(path)
    labels = np.asarray(held_out.labels)
    probabilities, milliseconds, lacking = _run(path, held_out.examples, len(labels), progress)
    if probabilities is None:
        return Measured(refusal(lacking, len(labels), metric_name), None, size, None, {})
    verdict = judge(
        held_out.probabilities,
        probabilities,
        labels,
        metric=metric,
        metric_name=metric_name,
        max_drop=max_drop,
    )
    right = probabilities.argmax(axis=1) == labels
    interval = wilson_interval(int(right.sum()), len(labels))
    before = np.asarray(held_out.probabilities).argmax(axis=1) == labels
    recall = recall_change(before, right, labels, class_names)
    return Measured(verdict, milliseconds, size, interval, recall)


def recall_change(
    right_before: np.ndarray, right_after: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> dict[str, float]:
    """Class name -> change of its recall, a fraction; classes without an example left out."""
    change = {}
    for label, name in enumerate(names):
        of_class = labels == label
        if of_class.any():
            fall = right_after[of_class].mean() - right_before[of_class].mean()
            change[name] = round(float(fall), 6)
    return change


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _run(
    path: Path, examples: Iterable[Any], count: int, progress: Progress
) -> tuple[np.ndarray | None, float | None, str]:
    """Probabilities and milliseconds per example, or the reason why the file cannot run."""
    lacking = custom_ops(path) if kind_of(path) == "tflite" else []
    if lacking:
        return None, None, f"it needs operations that phones lack: {', '.join(lacking)}"
    rows, seconds = [], []
    try:
        predictor = load_exported(path)
        for done, example in enumerate(examples, start=1):
            tensor = predictor.medium.tensor(example)
            start = time.perf_counter()
            rows.append(predictor.answer(tensor))
            seconds.append(time.perf_counter() - start)
            progress(f"measuring: {done} of {count}")
    except ExportError as error:
        return None, None, str(error).rstrip(".").replace(str(path), "the file")
    if not rows:
        raise ExportError("An export is measured on held-out examples: received none.")
    return np.stack(rows), 1000 * float(np.median(seconds[1:] or seconds)), ""
