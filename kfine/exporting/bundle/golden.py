"""Golden inputs and outputs: real examples with which a port to another language is checked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfine.answers import Answer
from kfine.inputs import Input

# What other kernels may differ by at the least: float16 arithmetic of GPUs, one 8-bit level.
_LEAST_TOLERANCE = 0.01

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class GoldenExample:
    """One held-out example.

    Attributes:
        example: A raw one.
        label: The truth, JSON-able; `None` where the example holds it.
    """

    example: Any
    label: Any = None


def write_golden(
    folder: Path,
    model: Path,
    examples: Sequence[GoldenExample],
    input: Input,
    answer: Answer,
    description: Mapping[str, Any],
) -> None:
    """Write examples, their exact input tensors, and what the file gives for them.

    `NAME.npy` and `NAME.bin` are the tensor of the model's size; the example itself is a file
    beside them, or in `golden.json`. That also holds the predictions, the names of the files with
    values that are too many, and by how much another runtime may differ: twice the difference
    between LiteRT's fast and its plain kernels here, 0.01 at the least.

    Args:
        folder: Made here.
        model: The `.tflite`.
        examples: Held-out ones.
        input: Writes the examples.
        answer: Says what the outputs mean.
        description: Of the preprocessing, from `InputOnDevice.describe`.
    """
    folder.mkdir()
    taken, given = input.device(), answer.device()
    rows, places, entries = [], [], []
    for number, one in enumerate(examples, start=1):
        stem = f"{number:02d}"
        kept, entry = taken.keep(one.example, folder, stem)
        tensors, of_rows = taken.tensors(kept, "fixed")
        for name, tensor in tensors.items():
            part = stem if len(tensors) == 1 else f"{stem}-{name}"
            np.save(folder / f"{part}.npy", tensor)
            (folder / f"{part}.bin").write_bytes(tensor.tobytes())
        if len(tensors) == 1:
            entry = {**entry, "tensor": f"{stem}.npy", "bytes": f"{stem}.bin"}
        rows.append(tensors)
        places.append(of_rows)
        entries.append(entry)
    fast, plain = outputs_of(model, rows, answer), outputs_of(model, rows, answer, plain=True)
    for number, (one, finished) in enumerate(zip(examples, fast, strict=True)):
        if one.label is not None:
            entries[number]["label"] = one.label
        (prediction,) = answer.decode(finished, places[number])
        entries[number] |= given.keep(finished, prediction, folder, f"{number + 1:02d}")
    apart = max(
        float(np.abs(one[name] - other[name]).max())
        for one, other in zip(fast, plain, strict=True)
        for name in one
    )
    first = next(iter(rows[0].values()))
    document = {
        "model": model.name,
        "preprocessing": description,
        "tensor": {"shape": list(first.shape), "dtype": str(first.dtype)},
        "tolerance": round(max(_LEAST_TOLERANCE, 2 * apart), 4),
        "examples": entries,
    }
    _write(folder, document)


def write_spoken(
    folder: Path,
    model: Path,
    examples: Sequence[GoldenExample],
    input: Input,
    answer: Answer,
    description: Mapping[str, Any],
) -> None:
    """Write `golden.json` with examples and what a file for LiteRT-LM replies to them.

    Args:
        folder: Made here.
        model: The `.litertlm`.
        examples: As in `write_golden`.
        input: Writes the examples.
        answer: Says what the outputs mean.
        description: As in `write_golden`.
    """
    from kfine.runtimes.loading import load_exported

    folder.mkdir()
    taken, given = input.device(), answer.device()
    exported = load_exported(model, trusted=True)
    entries = []
    for number, one in enumerate(examples, start=1):
        kept, entry = taken.keep(one.example, folder, f"{number:02d}")
        (prediction,) = exported.predict([kept])
        entries.append({"prompt": entry, "reply": given.keep({}, prediction, folder, "")})
    _write(folder, {"model": model.name, "preprocessing": description, "examples": entries})


def _write(folder: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder / "golden.json").write_text(text + "\n", encoding="utf-8")


def outputs_of(
    model: Path, rows: Sequence[Tensors], answer: Answer, *, plain: bool = False
) -> list[Tensors]:
    """What a file gives in LiteRT, float32 `(1, ...)` by name, for each row of inputs.

    Args:
        model: The `.tflite`.
        rows: Inputs `(1, ...)` by name, all of one size.
        answer: Names the outputs.
        plain: Leave out XNNPACK, LiteRT's fast kernels.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from kfine.runtimes.litert import named_details, read_tensor

    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else OpResolverType.AUTO
    interpreter = Interpreter(
        model_path=str(model), num_threads=os.cpu_count(), experimental_op_resolver_type=kind
    )
    names = [one.name for one in answer.device().tensors]
    sources = named_details(interpreter, "inputs", list(rows[0]))
    targets = named_details(interpreter, "outputs", names)
    for name, one in rows[0].items():
        interpreter.resize_tensor_input(sources[name]["index"], one.shape)
    interpreter.allocate_tensors()
    found = []
    for tensors in rows:
        for name, one in tensors.items():
            interpreter.set_tensor(sources[name]["index"], one)
        interpreter.invoke()
        found.append({name: read_tensor(interpreter, one) for name, one in targets.items()})
    return found
