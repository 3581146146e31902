"""From a trained model to a measured file: convert, run the file itself, judge, name."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from kfine.errors import ExportError
from kfine.exporting.choices import (
    AUTO,
    CALIBRATED,
    ENDINGS,
    FORMATS,
    QUANTIZE,
    default_quantize,
    misfit,
)
from kfine.exporting.gate import Verdict, refusal
from kfine.exporting.held_out import HeldOut, HeldOutInside, Measurable
from kfine.exporting.ladder import KINDS, Rung, choose, climb, failure
from kfine.exporting.limits import Limits
from kfine.exporting.lint import lint_file
from kfine.exporting.litert import write_tflite
from kfine.exporting.measured import Progress, measure_file, silent
from kfine.exporting.medium import Medium, medium_of
from kfine.exporting.metadata import read_metadata
from kfine.exporting.report import ExportReport
from kfine.exporting.saved_model import write_saved_model

__all__ = ["ExportReport", "HeldOut", "HeldOutInside", "export_model"]


def export_model(
    inference: keras.Model,
    preprocessing: Any,
    class_names: Sequence[str],
    destination: Path,
    held_out: Measurable,
    *,
    format: str = "tflite",
    quantize: str | None = None,
    input_kind: str | None = None,
    name: str = "model",
    representative: Iterable[Any] | None = None,
    max_drop: float = 0.01,
    limits: Limits | None = None,
    validation: Callable[[], Measurable] | None = None,
    info: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> ExportReport:
    """Write one export and measure it; a refused one is kept under a name that says so.

    The final name appears only once the file is whole and judged. A file of the same name
    is replaced by a good one, and left alone by a refused one.

    Args:
        inference: Raw uint8 images or token ids to probabilities or scores, as a recipe's
            `export_spec` makes it.
        preprocessing: A `Preprocessing` or a `TextPreprocessing`: what lies between raw examples
            and the model. It is written into the file, with its tokenizer if it has one.
        class_names: Those of the run.
        destination: The folder to write to; made if missing.
        held_out: What the file is measured on.
        format: "tflite", "trainable", "saved_model", "onnx" or "openvino".
        quantize: A kind of `choices.QUANTIZE` that the format can store, or "auto": all of
            `ladder.KINDS` are measured on `validation` and the smallest that keeps `limits` is
            taken. The medium's usual one if omitted: float16 for images, dynamic for texts.
        input_kind: "any" resizes in the graph, "fixed" takes the model's size only:
            what `inference` was made with. The medium's usual one if omitted.
        name: The file's name without ending; `{}` in it stands for the kind that was taken.
        representative: Raw training examples that calibrate integers, see
            `choose_calibration`; iterated anew for each kind.
        max_drop: Largest allowed fall of the metric, a fraction; `limits` wins over it.
        limits: What else the file must keep.
        validation: The split that "auto" chooses on, anew for each kind.
        info: JSON-able facts to carry in the file; a "calibration" among them is reported.
        progress: Told what is under way.

    Returns:
        The report; `report.verdict.passed` says whether the file may be used.

    Raises:
        ExportError: If the settings contradict each other or the conversion fails.
        MissingPackage: If the format's packages are optional and not installed.
    """
    limits = limits or Limits(max_drop)
    medium = medium_of(preprocessing)
    quantize = quantize or default_quantize(format, medium.usual_quantize)
    input_kind = input_kind or medium.usual_input[1]
    _check_settings(format, quantize, input_kind, medium, representative, validation)
    destination.mkdir(parents=True, exist_ok=True)
    facts = {
        "input": input_kind,
        "preprocessing": preprocessing.to_dict(),
        **medium.output.facts(class_names),
        **(info or {}),
    }
    with tempfile.TemporaryDirectory(prefix=".export-", dir=destination) as folder:

        def convert(kind: str) -> Path:
            return convert_model(
                inference,
                preprocessing,
                medium.output.labels(class_names),
                Path(folder),
                format=format,
                quantize=kind,
                representative=representative,
                info=facts,
            )

        rungs: list[Rung] = []
        if quantize == AUTO and validation is not None:
            kinds = [kind for kind in KINDS if not medium.misfit(format, kind, input_kind)]
            rungs = climb(convert, validation, class_names, limits, kinds=kinds, progress=progress)
            taken = choose(rungs)
            if taken is None or taken.path is None:
                verdict = refusal(failure(rungs, limits), len(held_out), held_out.metric_name)
                path = destination / "ladder.json"
                return ExportReport(
                    path,
                    format,
                    AUTO,
                    input_kind,
                    0,
                    (),
                    None,
                    verdict,
                    ladder=tuple(rungs),
                    medium=medium.name,
                )
            made, quantize = taken.path, taken.quantize
            progress(f"confirming {quantize} on the held-out split")
        else:
            progress(f"converting to {quantize}")
            made = convert(quantize)
        measured = measure_file(
            made, held_out, class_names, max_drop=limits.max_drop, progress=progress
        )
        verdict = _with_limits(measured.verdict, limits, measured.size_bytes, measured.milliseconds)
        carried = read_metadata(made)[1]
        phone = format == "tflite"
        findings = tuple(lint_file(made, input_kind=input_kind)) if phone else ()
        path = _keep(made, destination, name.format(quantize), ENDINGS.get(format, ""), verdict)
    return ExportReport(
        path,
        format,
        quantize,
        input_kind,
        measured.size_bytes,
        tuple(carried.get("float_layers", ())),
        measured.milliseconds,
        verdict,
        measured.accuracy_interval,
        measured.recall_change,
        carried.get("calibration"),
        findings,
        ladder=tuple(rungs),
        medium=medium.name,
        each=medium.output.row or medium.each,
    )


def convert_model(
    inference: keras.Model,
    preprocessing: Any,
    labels: Sequence[str],
    folder: Path,
    *,
    format: str = "tflite",
    quantize: str = "float16",
    representative: Iterable[Any] | None = None,
    info: Mapping[str, Any] | None = None,
) -> Path:
    """Write one file or SavedModel, not measured yet; the arguments are those of `export_model`.

    The float graph is written into `folder` once and serves all kinds.

    Returns:
        The file or folder, in `folder`.

    Raises:
        ExportError: If the conversion fails.
    """
    facts = {"format": format, "quantize": quantize, **(info or {})}
    if quantize not in CALIBRATED:
        facts.pop("calibration", None)
    medium = medium_of(preprocessing)
    files = medium.files()
    if format == "saved_model":
        more, path = medium.more_signatures(inference), folder / "saved_model"
        return write_saved_model(inference, path, labels, facts, files=files, signatures=more)
    if format == "trainable":
        from kfine.exporting.on_device_training import write_trainable

        path = folder / "trainable.tflite"
        return write_trainable(inference, path, labels, facts, quantize=quantize)
    if format == "onnx":
        from kfine.exporting.onnx import write_onnx

        return write_onnx(inference, folder / "model.onnx", labels, facts, files)
    if format == "openvino":
        from kfine.exporting.openvino import write_openvino

        path = folder / "openvino"
        return write_openvino(inference, path, labels, facts, quantize=quantize, files=files)
    full = quantize == "int8-full"
    graph = folder / ("graph-float-input" if full else "graph")
    if not graph.exists():
        write_saved_model(inference, graph, labels, facts, batch=1, float_input=full)
    chosen = () if representative is None else representative
    tensors = (medium.calibration(example) for example in chosen)
    path = folder / f"{quantize}.tflite"
    return write_tflite(
        graph, path, labels, facts, quantize=quantize, representative=tensors, files=files
    )


def _check_settings(
    format: str,
    quantize: str,
    input_kind: str,
    medium: Medium,
    representative: Iterable[Any] | None,
    validation: Any,
) -> None:
    formats = [one for one in FORMATS if one != "bundle"]
    if format not in formats:
        raise ExportError(f"Unknown export format: {format!r}; use one of {', '.join(formats)}.")
    if quantize not in (*QUANTIZE, AUTO):
        raise ExportError(
            f"Unknown quantization: {quantize!r}; use one of {', '.join(QUANTIZE)}, {AUTO}."
        )
    reason = misfit(format, quantize) or medium.misfit(format, quantize, input_kind)
    if reason:
        raise ExportError(reason)
    if quantize in (*CALIBRATED, AUTO) and representative is None:
        raise ExportError(
            f"{quantize} is calibrated on real training {medium.many}: received none."
        )
    if quantize == AUTO and validation is None:
        raise ExportError("auto chooses on a validation split: received none.")


def _with_limits(
    verdict: Verdict, limits: Limits, size_bytes: int, milliseconds: float | None
) -> Verdict:
    broken = limits.broken(size_bytes, milliseconds)
    if not broken:
        return verdict
    return replace(verdict, passed=False, reasons=(*verdict.reasons, *broken.values()))


def _keep(made: Path, destination: Path, name: str, ending: str, verdict: Verdict) -> Path:
    refused = destination / f"{name}.refused{ending}"
    path = destination / f"{name}{ending}" if verdict.passed else refused
    if path.is_dir():
        # A folder cannot be replaced in one step: move the old one where it will be deleted.
        os.replace(path, made.parent / "replaced")
    os.replace(made, path)
    if verdict.passed and refused.is_dir():
        shutil.rmtree(refused)
    elif verdict.passed:
        refused.unlink(missing_ok=True)
    return path
