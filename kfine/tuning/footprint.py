"""Size and latency of a model on a phone, before it is trained."""

from __future__ import annotations

import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfine.exporting.litert import write_tflite
from kfine.exporting.medium import Medium, medium_of
from kfine.exporting.runner import load_exported
from kfine.exporting.saved_model import write_saved_model
from kfine.runs.files import read_json, write_json

_WARM_UP, _RUNS = 5, 25


@dataclass(frozen=True)
class Footprint:
    """What a model costs where it runs.

    Attributes:
        size: Of the LiteRT (TFLite) file, in MB (10**6 bytes).
        latency: Median time of one example on this machine, all its cores, in milliseconds.
    """

    size: float
    latency: float


def footprint(
    inference: Any,
    preprocessing: Any,
    labels: Sequence[str],
    known: Path,
    *,
    quantize: str,
    representative: Sequence[Any],
) -> Footprint:
    """Convert an untrained model and run the file; the weights decide neither size nor speed.

    Args:
        inference: From raw images or token ids to probabilities, as a recipe's `export_spec`
            makes it.
        preprocessing: Of the model; it says which size of input is timed.
        labels: Class names.
        known: JSON file of what was measured before, by structure of the model.
        quantize: As in `kfine.export`.
        representative: Raw examples that calibrate int8.

    Raises:
        ExportError: The model cannot be converted or run.
    """
    medium = medium_of(preprocessing)
    key = _structure(inference, medium, quantize)
    before = read_json(known) if known.is_file() else {}
    if key not in before:
        facts = {"preprocessing": preprocessing.to_dict()}
        tensors = [medium.calibration(one) for one in representative]
        before[key] = asdict(_measure(inference, medium, facts, labels, quantize, tensors))
        write_json(known, before)
    return Footprint(**before[key])


def _structure(inference: Any, medium: Medium, quantize: str) -> str:
    """Equal for models that differ in rates and values only, such as that of a dropout."""
    layers = [
        [type(layer).__name__, [list(weight.shape) for weight in layer.weights]]
        for layer in inference._flatten_layers()
    ]
    text = json.dumps([layers, list(medium.sample().shape), quantize])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _measure(
    inference: Any,
    medium: Medium,
    facts: dict[str, Any],
    labels: Sequence[str],
    quantize: str,
    representative: Sequence[np.ndarray],
) -> Footprint:
    with tempfile.TemporaryDirectory(prefix="kfine-") as folder:
        graph, path = Path(folder, "graph"), Path(folder, "model.tflite")
        write_tflite(
            write_saved_model(inference, graph, labels, facts, batch=1),
            path,
            labels,
            facts,
            quantize=quantize,
            representative=representative,
            files=medium.files(),
        )
        predictor = load_exported(path, trusted=True)
        tensor = medium.sample()
        seconds = []
        for _ in range(_WARM_UP + _RUNS):
            start = time.perf_counter()
            predictor.answer(tensor)
            seconds.append(time.perf_counter() - start)
        size = path.stat().st_size / 1e6
    return Footprint(round(size, 4), round(1000 * statistics.median(seconds[_WARM_UP:]), 3))


def refusal(found: Footprint, max_size: float | None, max_latency: float | None) -> str:
    """Which constraint a model breaks, in words; empty if none.

    Args:
        found: Of the model.
        max_size: In MB, or `None`.
        max_latency: In milliseconds, or `None`.
    """
    broken = []
    if max_size is not None and found.size > max_size:
        broken.append(f"its file of {found.size:.3g} MB is over {max_size:g} MB")
    if max_latency is not None and found.latency > max_latency:
        broken.append(f"{found.latency:.3g} ms each on this machine is over {max_latency:g} ms")
    return "; ".join(broken)
