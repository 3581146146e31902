"""Run an exported file on held-out examples: what it predicts, how fast, how large it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kfine.answers.score import Score, agreement_of
from kfine.errors import ExportError, KfineError
from kfine.exporting.measuring.gate import (
    AGREEMENT,
    Verdict,
    not_finite,
    refusal,
    weigh,
    with_reasons,
)
from kfine.exporting.measuring.held_out import HeldOut
from kfine.exporting.measuring.scan import custom_ops
from kfine.exporting.measuring.told import LEAST, ToldFile, measure_told
from kfine.runtimes.exported import Exported
from kfine.runtimes.kinds import kind_of
from kfine.runtimes.loading import load_exported
from kfine.statistics import wilson_interval

Progress = Callable[[str], None]
# How often a file that seems too slow is timed again, and on how many examples.
_ROUNDS, _TIMED = 5, 20


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
        right_interval: 95 % Wilson interval of the share that it has right, `None` if it did not
            run.
        recall_change: Class name -> the file's recall less the Keras model's, a fraction;
            classes without an example are left out, and empty where examples have no class.
        tables: Of the file's score, such as figures by class.
        told: What it thinks of each token, where that was asked.
    """

    verdict: Verdict
    milliseconds: float | None
    size_bytes: int
    right_interval: tuple[float, float] | None
    recall_change: dict[str, float]
    tables: Mapping[str, Any] = field(default_factory=dict)
    told: ToldFile | None = None


def measure_file(
    path: Path,
    held_out: HeldOut,
    *,
    max_drop: float = 0.01,
    max_latency: float | None = None,
    progress: Progress = silent,
) -> Measured:
    """Run a file or SavedModel on every held-out example and judge it.

    Args:
        path: What `convert_model` wrote.
        held_out: The examples and what Keras says of them.
        max_drop: Largest allowed fall of the primary metric, a fraction.
        max_latency: Milliseconds that the file is to keep. What else a machine does only slows,
            so a file that seems slower is timed again, and its fastest round counts.
        progress: Told how far it is.

    Raises:
        ExportError: There are no examples.
    """
    size, answer, count = size_of(path), held_out.answer, len(held_out)
    run = _run(path, held_out, progress)
    if isinstance(run, str):
        return Measured(refusal(run, count, answer.primary), None, size, None, {})
    predictions, broken, milliseconds = run
    if max_latency is not None and milliseconds > max_latency:
        progress("timing it again")
        milliseconds = min(milliseconds, *_medians(path, held_out))
    if broken:
        verdict = not_finite("the file", broken, count, answer.primary)
        return Measured(verdict, milliseconds, size, None, {})
    try:
        before = held_out.score
    except KfineError as error:
        verdict = refusal(
            f"the Keras model itself: {str(error).rstrip('.')}", count, answer.primary
        )
        return Measured(verdict, milliseconds, size, None, {})
    after = answer.score(predictions, held_out.labels)
    told = None if held_out.told is None else measure_told(path, held_out, progress)
    verdict = weigh(
        before,
        after,
        primary=answer.primary,
        direction=answer.direction,
        agreement=told.agreement
        if told
        else agreement_of(answer, held_out.predictions, predictions),
        max_drop=max_drop,
        least=LEAST if told else AGREEMENT,
    )
    verdict = with_reasons(verdict, told.reasons(max_drop) if told else ())
    interval = wilson_interval(int(after.right.sum()), count)
    change = recall_change(before, after)
    return Measured(verdict, milliseconds, size, interval, change, after.tables, told)


def recall_change(before: Score, after: Score) -> dict[str, float]:
    """Class name -> change of its recall, a fraction, where the scores have tables by class."""
    one, other = (score.tables.get("per_class") or {} for score in (before, after))
    return {
        name: round(float(other[name]["recall"] - one[name]["recall"]), 6)
        for name in one
        if name in other and one[name]["support"]
    }


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _run(
    path: Path, held_out: HeldOut, progress: Progress
) -> tuple[Sequence[Any], int, float] | str:
    """Predictions, examples with broken values, milliseconds per row; or why it cannot run."""
    lacking = custom_ops(path) if kind_of(path) == "tflite" else []
    if lacking:
        return f"it needs operations that phones lack: {', '.join(lacking)}"
    seconds: list[float] = []
    predictions: list[Any] = []
    broken = done = 0
    try:
        exported = load_exported(path, own=held_out.own)
        for done, example in enumerate(held_out.examples, start=1):
            finished, places = timed(exported, example, seconds)
            if all(np.isfinite(one).all() for one in finished.values()):
                predictions.append(exported.decode(finished, places))
            else:
                broken += 1
            progress(f"measuring: {done} of {len(held_out)}")
    except ExportError as error:
        return str(error).rstrip(".").replace(str(path), "the file")
    if not done:
        raise ExportError("An export is measured on held-out examples. Received: none.")
    return predictions, broken, 1000 * float(np.median(seconds[1:] or seconds))


def _medians(path: Path, held_out: HeldOut) -> list[float]:
    """Median milliseconds of each of some rounds over the same examples."""
    exported = load_exported(path, own=held_out.own)
    rounds: list[list[float]] = [[] for _ in range(_ROUNDS)]
    for seconds in rounds:
        for example in islice(iter(held_out.examples), _TIMED):
            timed(exported, example, seconds)
    return [1000 * float(np.median(seconds[1:] or seconds)) for seconds in rounds]


def timed(exported: Exported, example: Any, seconds: list[float]) -> tuple[dict[str, Any], Any]:
    """What a file gives for an example's rows, and their places; adds the seconds of each row."""
    tensors, places = exported.input.device().tensors(example, exported.form)
    rows = len(next(iter(tensors.values())))
    found = []
    for row in range(rows):
        one = {name: tensor[row : row + 1] for name, tensor in tensors.items()}
        start = time.perf_counter()
        found.append(exported.run(one))
        seconds.append(time.perf_counter() - start)
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}, places
