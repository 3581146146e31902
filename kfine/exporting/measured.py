"""Run an exported file on held-out examples: what it answers, how fast, how large it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kfine.errors import ExportError
from kfine.exporting.gate import Verdict, refusal
from kfine.exporting.held_out import HeldOut, HeldOutInside, Measurable
from kfine.exporting.kinds import kind_of
from kfine.exporting.runner import load_exported
from kfine.exporting.scan import custom_ops
from kfine.statistics import wilson_interval

__all__ = ["HeldOut", "HeldOutInside", "Measured", "Progress", "measure_file", "silent", "size_of"]

Progress = Callable[[str], None]


def silent(line: str) -> None:
    """Progress that nobody hears of."""


@dataclass(frozen=True)
class Measured:
    """One file on one split.

    Attributes:
        verdict: The gate's.
        milliseconds: Median per input on this machine, the first left out, without resizing
            or tokenizing outside the file; `None` if it did not run.
        size_bytes: Of the file, or of all files of the folder.
        accuracy_interval: 95 % Wilson interval of the share that it has right, `None` if it did
            not run.
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
    held_out: Measurable,
    class_names: Sequence[str],
    *,
    max_drop: float = 0.01,
    progress: Progress = silent,
) -> Measured:
    """Run a file or SavedModel on every held-out example and judge it.

    Args:
        path: What `write_tflite`, `write_saved_model` and their like wrote.
        held_out: The examples and what Keras answers to them.
        class_names: In their order.
        max_drop: Largest allowed fall of the metric, a fraction.
        progress: Told how far it is.

    Raises:
        ExportError: There are no examples.
    """
    size = size_of(path)
    answers, milliseconds, lacking = _run(path, held_out, progress)
    if answers is None:
        verdict = refusal(lacking, len(held_out), held_out.metric_name)
        return Measured(verdict, None, size, None, {})
    judged = held_out.judge(answers, class_names, max_drop)
    interval = wilson_interval(int(judged.right.sum()), len(held_out))
    return Measured(judged.verdict, milliseconds, size, interval, judged.recall_change)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _run(
    path: Path, held_out: Measurable, progress: Progress
) -> tuple[list[np.ndarray] | None, float | None, str]:
    """Each example's rows of answers and milliseconds per row, or why the file cannot run."""
    lacking = custom_ops(path) if kind_of(path) == "tflite" else []
    if lacking:
        return None, None, f"it needs operations that phones lack: {', '.join(lacking)}"
    answers, seconds = [], []
    try:
        predictor = load_exported(path)
        for done, example in enumerate(held_out.examples, start=1):
            tensor, found = predictor.medium.tensor(example), []
            for row in range(len(tensor)):
                start = time.perf_counter()
                found.append(predictor.answer(tensor[row : row + 1]))
                seconds.append(time.perf_counter() - start)
            answers.append(np.stack(found))
            progress(f"measuring: {done} of {len(held_out)}")
    except ExportError as error:
        return None, None, str(error).rstrip(".").replace(str(path), "the file")
    if not answers:
        raise ExportError("An export is measured on held-out examples: received none.")
    return answers, 1000 * float(np.median(seconds[1:] or seconds)), ""
