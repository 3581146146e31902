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

from kfine.exporting.export import Plan, convert_model
from kfine.exporting.inference import inference_model
from kfine.keras_private import flattened
from kfine.models.built import Built
from kfine.runs.files import read_json, write_json
from kfine.runtimes.loading import load_exported

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
    built: Built,
    known: Path,
    *,
    quantize: str,
    representative: Sequence[Any],
    own: Any = None,
) -> Footprint:
    """Convert an untrained model and run the file; the weights decide neither size nor speed.

    Args:
        built: The model, its input and its answer.
        known: JSON file of what was measured before, by structure of the model.
        quantize: As in `kfine.export`.
        representative: Raw examples that calibrate int8.
        own: The recipe, whose own kinds of input and answer the file may name.

    Raises:
        ExportError: The model cannot be converted or run.
    """
    inference = inference_model(built.model, built.input, built.answer)
    plan = Plan(
        built.input, built.answer, quantize=quantize, representative=representative, own=own
    ).completed()
    key = _structure(inference, plan)
    before = read_json(known) if known.is_file() else {}
    if key not in before:
        before[key] = asdict(_measure(inference, plan))
        write_json(known, before)
    return Footprint(**before[key])


def _structure(inference: Any, plan: Plan) -> str:
    """Equal for models that differ in rates and values only, such as that of a dropout."""
    layers = [
        [type(layer).__name__, [list(weight.shape) for weight in layer.weights]]
        for layer in flattened(inference)
    ]
    shapes = [list(one.shape) for one in plan.input.device().sample().values()]
    text = json.dumps([layers, shapes, plan.quantize])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _measure(inference: Any, plan: Plan) -> Footprint:
    with tempfile.TemporaryDirectory(prefix="kfine-") as folder:
        path = convert_model(inference, plan, Path(folder))
        exported = load_exported(path, trusted=True, own=plan.own)
        tensors = plan.input.device().sample()
        seconds = []
        for _ in range(_WARM_UP + _RUNS):
            start = time.perf_counter()
            exported.run(tensors)
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
