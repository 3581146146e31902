"""Golden inputs and outputs: real examples with which a port to another language is checked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfine.exporting.medium import Medium

GOLDEN_EXAMPLES = 4
# What other kernels may differ by at the least: float16 arithmetic of GPUs, one 8-bit level.
_LEAST_TOLERANCE = 0.01


@dataclass(frozen=True)
class GoldenExample:
    """One held-out example.

    Attributes:
        example: uint8 RGB `(height, width, 3)` of any size, upright; or a text, a str or a tuple
            of two.
        label: Its true class, a name; `None` where it has none.
    """

    example: Any
    label: str | None = None


def write_golden(
    folder: Path,
    model: Path,
    examples: Sequence[GoldenExample],
    class_names: Sequence[str],
    description: Mapping[str, Any],
    medium: Medium,
    preprocessing: Any = None,
) -> None:
    """Write examples, their exact input tensors, and what the file answers to them.

    `NAME.npy` and `NAME.bin` are the tensor of the model's size; the example itself is a file
    beside them, or in `golden.json`. That also holds the probabilities, or what is found in a text
    and the names of the files with all values, and by how much another runtime may differ: twice
    the difference between LiteRT's fast and its plain kernels here, 0.01 at the least.

    Args:
        folder: Made here.
        model: The `.tflite`.
        examples: Held-out ones.
        class_names: Of the run.
        description: Of the preprocessing, from `Medium.describe`.
        medium: Writes the examples.
        preprocessing: That of the run, which places of a text take.
    """
    folder.mkdir()
    tensors: list[np.ndarray] = []
    entries: list[dict[str, Any]] = []
    for number, one in enumerate(examples, start=1):
        stem = f"{number:02d}"
        tensor, entry = medium.write_golden(folder, stem, medium.portable(one.example))
        np.save(folder / f"{stem}.npy", tensor)
        (folder / f"{stem}.bin").write_bytes(tensor.tobytes())
        tensors.append(tensor)
        entries.append({**entry, "tensor": f"{stem}.npy", "bytes": f"{stem}.bin"})
    fast, plain = answers(model, tensors), answers(model, tensors, plain=True)
    for number, (entry, row, one) in enumerate(zip(entries, fast, examples, strict=True), 1):
        if one.label is not None:
            entry["label"] = one.label
        example = medium.portable(one.example)
        stem = f"{number:02d}"
        entry |= medium.output.golden(folder, stem, row, example, preprocessing, class_names)
    tolerance = max(_LEAST_TOLERANCE, 2 * float(np.abs(fast - plain).max()))
    document = {
        "model": model.name,
        "preprocessing": description,
        "tensor": {"shape": list(tensors[0].shape), "dtype": str(tensors[0].dtype)},
        "tolerance": round(tolerance, 4),
        "examples": entries,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder / "golden.json").write_text(text + "\n", encoding="utf-8")


def answers(model: Path, tensors: Sequence[np.ndarray], *, plain: bool = False) -> np.ndarray:
    """What a file gives in LiteRT, float32 `(tensors, classes)` or `(tensors, pieces, ...)`.

    Args:
        model: The `.tflite`.
        tensors: uint8 `(1, height, width, 3)` or int32 `(1, length)`, all of one size.
        plain: Leave out XNNPACK, LiteRT's fast kernels.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else OpResolverType.AUTO
    interpreter = Interpreter(
        model_path=str(model), num_threads=os.cpu_count(), experimental_op_resolver_type=kind
    )
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], tensors[0].shape)
    interpreter.allocate_tensors()
    rows = []
    for tensor in tensors:
        interpreter.set_tensor(source["index"], tensor)
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target["index"])[0].astype(np.float32))
    scale, zero = target["quantization"]
    values = np.stack(rows)
    return (values - zero) * scale if scale else values
