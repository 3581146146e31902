"""LiteRT (TFLite) files, converted in a child process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfine.errors import ExportError
from kfine.exporting.choices import CALIBRATED, QUANTIZE
from kfine.exporting.formats.converting import run_converter
from kfine.exporting.formats.four_bit import require_four_bit
from kfine.exporting.metadata.attached import attach_metadata


def write_tflite(
    saved_model: Path,
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    *,
    quantize: str = "float16",
    representative: Iterable[Mapping[str, np.ndarray]] | None = None,
    files: Mapping[str, bytes] | None = None,
    described: Callable[[Path], bytes] | None = None,
) -> Path:
    """Convert a SavedModel of batch 1 and attach labels and facts.

    Args:
        saved_model: A folder that `write_saved_model(..., batch=1)` wrote; for "int8-full"
            with `float_input=True`.
        path: The file to write.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts to carry along.
        quantize: "none" (float32), "float16" (half the size, safe), "dynamic" (int8 weights),
            "int8" (int8 weights and arithmetic but for imprecise layers), "int8-full" (integers
            from image to probabilities), "int16" (int8 weights, 16-bit activations, slow on
            many devices) or "int4" (4-bit weights of large layers, float arithmetic).
        representative: Inputs `(1, ...)` by name that calibrate int8, int8-full and int16, of
            real examples. All are kept on disk during the conversion; 100 to 200 are plenty.
        files: What else it carries, name -> content.
        described: Makes the `ModelMetadata` of the converted file.

    Returns:
        `path`. Images go in as uint8 and token ids as int32; the probabilities come out as
        float32, for int8-full as uint8 with the scale 1/256; int8 probabilities are multiples
        of 1/256.

    Raises:
        ExportError: If `quantize` is unknown, nothing calibrates, or the converter fails.
        MissingPackage: If int4 is wanted without ai-edge-quantizer.
    """
    if quantize not in QUANTIZE:
        raise ExportError(f"Unknown quantization: {quantize!r}; use one of {', '.join(QUANTIZE)}.")
    if quantize == "int4":
        require_four_bit()
    with tempfile.TemporaryDirectory(prefix=".calibrate-", dir=path.parent) as folder:
        arguments = [str(saved_model), str(path), quantize]
        if quantize in CALIBRATED:
            if _save_inputs(representative or (), Path(folder), quantize == "int8-full") == 0:
                raise ExportError(f"{quantize} is calibrated on real examples. Received: none.")
            arguments.append(folder)
        found = _convert(arguments)
    if quantize == "int8-full":
        _check_pixel_scale(path)
    metadata = described(path) if described else None
    attach_metadata(path, labels, {**info, **found}, files, described=metadata)
    return path


def _save_inputs(
    examples: Iterable[Mapping[str, np.ndarray]], folder: Path, full_range: bool
) -> int:
    count = 0
    for count, tensors in enumerate(examples, start=1):
        tensors = {name: np.array(one) for name, one in tensors.items()}
        if full_range and count == 1:
            # The range that is seen becomes the input's scale, and a pixel has to count as
            # itself: 0 to 255 must occur. Two pixels of one photo move no other range.
            for one in tensors.values():
                one[0, 0, 0], one[0, 0, -1] = 0, 255
        np.savez(folder / f"{count:06d}.npz", **tensors)  # type: ignore[arg-type]
    return count


def _check_pixel_scale(path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    scale, zero = Interpreter(model_path=str(path)).get_input_details()[0]["quantization"]
    if abs(scale - 1) > 1e-3 or zero != 0:
        raise ExportError(
            f"The integer input has the scale {scale:.4g} and zero {zero} where pixels need 1 and "
            "0: use quantize int8."
        )


def _convert(arguments: list[str]) -> dict[str, Any]:
    """Run the child process and return what it found out."""
    said = run_converter("convert", *arguments, what=arguments[2])
    lines = [line for line in said.splitlines() if line.startswith("{")]
    return dict(json.loads(lines[-1])) if lines else {}
