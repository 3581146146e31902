"""From a trained model to a measured file: convert, run the file itself, judge, name."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kfine.data.images import resize_image
from kfine.errors import ExportError
from kfine.exporting.gate import Metric, Verdict, accuracy, judge, refusal
from kfine.exporting.litert import QUANTIZE, write_tflite
from kfine.exporting.metadata import read_metadata
from kfine.exporting.runner import load_exported
from kfine.exporting.saved_model import write_saved_model
from kfine.exporting.scan import custom_ops
from kfine.models.preprocessing import Preprocessing

FORMATS = ("saved_model", "tflite")


@dataclass(frozen=True)
class HeldOut:
    """Examples that the exported file is measured on.

    Attributes:
        images: Raw uint8 RGB `(height, width, 3)` of any size, read once, one at a time.
        labels: True classes, integers `(examples,)`.
        probabilities: The Keras model's, `(examples, classes)`.
    """

    images: Iterable[np.ndarray]
    labels: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class ExportReport:
    """What was written and how good it is.

    Attributes:
        path: The file or folder; its name says "refused" when it is.
        format: "saved_model" or "tflite".
        quantize: "none", "float16", "dynamic" or "int8".
        input_kind: "any" size of image, or "fixed".
        size_bytes: Of the file, or of all files of the folder.
        float_layers: Layers that an int8 file keeps in float because int8 is too coarse there.
        milliseconds: Per held-out image on this machine, `None` if it did not run.
        verdict: The gate's.
    """

    path: Path
    format: str
    quantize: str
    input_kind: str
    size_bytes: int
    float_layers: tuple[str, ...]
    milliseconds: float | None
    verdict: Verdict

    def refusal_sentence(self) -> str:
        """Why the file was refused and where it was kept; empty if it passed."""
        if self.verdict.passed:
            return ""
        return f"The export was refused: {'; '.join(self.verdict.reasons)} (kept as {self.path})."

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return {
            "path": str(self.path),
            "format": self.format,
            "quantize": self.quantize,
            "input": self.input_kind,
            "size_bytes": self.size_bytes,
            "float_layers": list(self.float_layers),
            "milliseconds": self.milliseconds,
            "verdict": self.verdict.to_dict(),
        }


def export_model(
    inference: keras.Model,
    preprocessing: Preprocessing,
    labels: Sequence[str],
    destination: Path,
    held_out: HeldOut,
    *,
    format: str = "tflite",
    quantize: str = "float16",
    input_kind: str = "any",
    name: str = "model",
    representative_images: Iterable[np.ndarray] | None = None,
    max_drop: float = 0.01,
    metric: Metric = accuracy,
    metric_name: str = "accuracy",
    info: Mapping[str, Any] | None = None,
) -> ExportReport:
    """Write one export and measure it; a refused one is kept under a name that says so.

    The final name appears only once the file is whole and judged. A file of the same name
    is replaced by a good one, and left alone by a refused one.

    Args:
        inference: Raw uint8 images to probabilities, as a recipe's `export_spec` makes it.
        preprocessing: What it does to raw images before the backbone; calibration images are
            resized with it, and it is written into the file.
        labels: Class names in the order of the logits.
        destination: The folder to write to; made if missing.
        held_out: What the file is measured on.
        format: "tflite", or "saved_model" (always float32).
        quantize: "none", "float16", "dynamic" or "int8".
        input_kind: "any" resizes in the graph, "fixed" takes the model's size only:
            what `inference` was made with.
        name: The file's name without ending.
        representative_images: uint8 RGB real images that calibrate int8, see
            `representative_indices`.
        max_drop: Largest allowed fall of the metric, a fraction.
        metric: The primary metric `(probabilities, labels) -> float`, more is better.
        metric_name: Its name.
        info: JSON-able facts to carry in the file.

    Returns:
        The report; `report.verdict.passed` says whether the file may be used.

    Raises:
        ExportError: If the settings contradict each other or the conversion fails.
    """
    _check_settings(format, quantize, representative_images)
    facts = {
        "format": format,
        "quantize": quantize,
        "input": input_kind,
        "preprocessing": preprocessing.to_dict(),
        **(info or {}),
    }
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=destination) as folder:
        graph = Path(folder, "saved_model")
        if format == "saved_model":
            made = write_saved_model(inference, graph, labels, facts)
        else:
            chosen = () if representative_images is None else representative_images
            images = (resize_image(image, preprocessing.image_size) for image in chosen)
            made = write_tflite(
                write_saved_model(inference, graph, labels, facts, batch=1),
                Path(folder, "model.tflite"),
                labels,
                facts,
                quantize=quantize,
                representative=images,
            )
        probabilities, milliseconds, lacking = _run(made, held_out.images)
        if probabilities is None:
            verdict = refusal(lacking, len(held_out.labels), metric_name)
        else:
            verdict = judge(
                held_out.probabilities,
                probabilities,
                held_out.labels,
                metric=metric,
                metric_name=metric_name,
                max_drop=max_drop,
            )
        size = _size(made)
        kept_float = tuple(read_metadata(made)[1].get("float_layers", ()))
        path = _keep(made, destination, name, "" if format == "saved_model" else ".tflite", verdict)
    return ExportReport(path, format, quantize, input_kind, size, kept_float, milliseconds, verdict)


def _check_settings(
    format: str, quantize: str, representative_images: Iterable[np.ndarray] | None
) -> None:
    if format not in FORMATS:
        raise ExportError(f"Unknown export format: {format!r}; use one of {', '.join(FORMATS)}.")
    if quantize not in QUANTIZE:
        raise ExportError(f"Unknown quantization: {quantize!r}; use one of {', '.join(QUANTIZE)}.")
    if format == "saved_model" and quantize != "none":
        raise ExportError(
            f"A SavedModel stays float32; received quantize {quantize!r}: use 'none', "
            "or the format 'tflite'."
        )
    if quantize == "int8" and representative_images is None:
        raise ExportError("int8 is calibrated on real training images: received none.")


def _run(path: Path, images: Iterable[np.ndarray]) -> tuple[np.ndarray | None, float | None, str]:
    """Probabilities and milliseconds per image, or the reason why the file cannot run."""
    lacking = custom_ops(path) if path.is_file() else []
    if lacking:
        return None, None, f"it needs operations that phones lack: {', '.join(lacking)}"
    try:
        predictor = load_exported(path)
        rows, seconds = [], 0.0
        for image in images:
            start = time.perf_counter()
            rows.append(predictor.predict([image])[0])
            seconds += time.perf_counter() - start
    except ExportError as error:
        return None, None, str(error).rstrip(".").replace(str(path), "the file")
    if not rows:
        raise ExportError("An export is measured on held-out images: received none.")
    return np.stack(rows), 1000 * seconds / len(rows), ""


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


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
