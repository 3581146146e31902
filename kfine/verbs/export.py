"""`export`: from a run to a measured file for phone or server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kfine.console import Console
from kfine.errors import ConfigError, DataError, GateRefused
from kfine.runs.files import write_json
from kfine.runs.lock import locked
from kfine.verbs.evaluate import predict_split
from kfine.verbs.fit import load_data_of_run
from kfine.verbs.recipes import recipe_of_run
from kfine.verbs.run import Run, as_run

FORMATS = ("tflite", "saved_model")
QUANTIZE = ("none", "float16", "dynamic", "int8")
INPUTS = ("any", "fixed")


def export(
    run: Run | str | Path,
    *,
    format: str = "tflite",
    quantize: str | None = None,
    input: str = "any",
    max_drop: float = 0.01,
    console: Console | None = None,
) -> Any:
    """Export a finished run and measure the exported file itself on the held-out split.

    Args:
        run: A run or its folder.
        format: `"tflite"` (LiteRT) or `"saved_model"`.
        quantize: `"none"`, `"float16"`, `"dynamic"` or `"int8"`; float16 for `tflite` and none
            for `saved_model` if omitted. int8 is calibrated on training images of the run.
        input: `"any"` takes raw images of any size and resizes in the graph, `"fixed"` takes
            images of the model's size only.
        max_drop: How much of the primary metric the file may lose, fraction 0 to 1.
        console: Hears of the progress.

    Returns:
        An `ExportReport`: path, size in bytes, milliseconds per image, and the verdict. It is
        also written to `exports/NAME.json` in the run folder.

    Raises:
        GateRefused: The file is worse than allowed, gives NaN, or needs Flex ops; it is kept
            under a name that says so.
        KfineError: The run has not finished, or the settings contradict each other.
    """
    console = console or Console()
    run = as_run(run)
    quantize = quantize or ("float16" if format == "tflite" else "none")
    _check(format, quantize, input, max_drop)
    run._folder.require_finished()
    module, note = recipe_of_run(run._folder)
    if note:
        console.warn(note)
    data = load_data_of_run(run._folder, module, run.config, console)
    held_out = data.test or data.validation
    if held_out is None or not len(held_out):
        raise DataError(f"The data of {run.path} has no held-out split to measure an export on.")
    with console.timed("loading TensorFlow and the model"):
        model = run.model
        from kfine.exporting.export import HeldOut, export_model

    with locked(run.path), console.timed(f"exporting {format} ({quantize}) and measuring it"):
        report = export_model(
            module.export_spec(run.config, model, run.preprocessing, input_kind=input),
            run.preprocessing,
            run.class_names,
            run.path / "exports",
            HeldOut(
                images=_Raw(held_out, range(len(held_out))),
                labels=held_out.labels,
                probabilities=predict_split(run, model, held_out),
            ),
            format=format,
            quantize=quantize,
            input_kind=input,
            name=_file_name(format, quantize, input),
            representative_images=_representative(data.train, run.config.seed),
            max_drop=max_drop,
            info={"recipe": run._folder.info()["recipe"], "run": run.path.name},
        )
        values = {**report.to_dict(), "path": str(report.path.relative_to(run.path))}
        stem = report.path.name.removesuffix(".tflite")
        write_json(report.path.with_name(f"{stem}.json"), values)
        if report.verdict.passed:
            report.path.with_name(f"{stem}.refused.json").unlink(missing_ok=True)
    if not report.verdict.passed:
        raise GateRefused(report.refusal_sentence())
    return report


def _check(format: str, quantize: str, input: str, max_drop: float) -> None:
    for name, value, allowed in (
        ("format", format, FORMATS),
        ("quantize", quantize, QUANTIZE),
        ("input", input, INPUTS),
    ):
        if value not in allowed:
            raise ConfigError(f"{name} must be one of {', '.join(allowed)}. Received: {value!r}")
    if format == "saved_model" and quantize != "none":
        raise ConfigError(
            f"A SavedModel is not quantized: use quantize none, or format tflite. "
            f"Received: quantize {quantize}"
        )
    if not 0 <= max_drop <= 1:
        raise ConfigError(f"max_drop is a fraction from 0 to 1. Received: {max_drop}")


def _file_name(format: str, quantize: str, input: str) -> str:
    fixed = "-fixed" if input == "fixed" else ""
    return f"model-{quantize}{fixed}" if format == "tflite" else f"saved_model{fixed}"


def _representative(train: Any, seed: int) -> Any:
    from kfine.exporting.calibration import representative_indices

    return _Raw(train, representative_indices(train.labels, seed=seed))


class _Raw:
    """Images of a split as they are in their files, one at a time."""

    def __init__(self, split: Any, indices: Any) -> None:
        self._split = split
        self._indices = indices

    def __iter__(self) -> Iterator[np.ndarray]:
        for index in self._indices:
            yield self._split.read_raw(int(index))
