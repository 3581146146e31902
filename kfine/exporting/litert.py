"""LiteRT (TFLite) files, converted in a child process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import kfine
from kfine.errors import ExportError
from kfine.exporting.convert import FAILED
from kfine.exporting.metadata import attach_metadata, read_metadata

QUANTIZE = ("none", "float16", "dynamic", "int8")


def write_tflite(
    saved_model: Path,
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    *,
    quantize: str = "float16",
    representative: Iterable[np.ndarray] | None = None,
) -> Path:
    """Convert a SavedModel of batch 1 and attach labels and facts.

    Args:
        saved_model: A folder that `write_saved_model(..., batch=1)` wrote.
        path: The file to write.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts to carry along.
        quantize: "none" (float32), "float16" (half the size, safe), "dynamic" (int8 weights),
            "int8" (int8 weights and arithmetic, wants calibration).
        representative: uint8 RGB `(height, width, 3)` real images that calibrate int8. All are
            kept on disk during the conversion; 100 to 200 of the model's size are plenty.

    Returns:
        `path`. The image goes in as uint8 and the probabilities come out as float32 for
        every kind; int8 probabilities are multiples of 1/256.

    Raises:
        ExportError: If `quantize` is unknown, int8 has no images, or the converter fails.
    """
    if quantize not in QUANTIZE:
        raise ExportError(f"Unknown quantization: {quantize!r}; use one of {', '.join(QUANTIZE)}.")
    with tempfile.TemporaryDirectory(prefix=".calibrate-", dir=path.parent) as folder:
        arguments = [str(saved_model), str(path), quantize]
        if quantize == "int8":
            if _save_images(representative or (), Path(folder)) == 0:
                raise ExportError("int8 is calibrated on real images: received none.")
            arguments.append(folder)
        found = _convert(arguments)
    attach_metadata(path, labels, {**info, **found})
    return path


def read_labels(path: Path | str) -> tuple[str, ...]:
    """The class names of an exported model, in the order of its probabilities."""
    return read_metadata(path)[0]


def read_info(path: Path | str) -> dict[str, Any]:
    """The facts that were attached to an exported model."""
    return read_metadata(path)[1]


def _save_images(images: Iterable[np.ndarray], folder: Path) -> int:
    count = 0
    for count, image in enumerate(images, start=1):
        np.save(folder / f"{count:06d}.npy", image)
    return count


def _convert(arguments: list[str]) -> dict[str, Any]:
    """Run the child process and return what it found out."""
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="-1")
    parents = [str(Path(kfine.__file__).parents[1]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, parents))
    command = [sys.executable, "-m", "kfine.exporting.convert", *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="replace"
    )
    if done.returncode == 0:
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return dict(json.loads(lines[-1])) if lines else {}
    lines = done.stderr.strip().splitlines() or ["no message"]
    reason = lines[-1].removeprefix(FAILED)
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        reason = f"the converter was killed by {name}, often for want of memory"
    error = ExportError(f"The model could not be converted to {arguments[2]} LiteRT: {reason}.")
    error.add_note(done.stderr)
    raise error
