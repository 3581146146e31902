"""LiteRT (TFLite) files in the LiteRT interpreter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfine.backend import quiet_start
from kfine.errors import ExportError
from kfine.inputs import Shapes
from kfine.runtimes.exported import Exported, Tensors, first_line

SERVING, INFER = "serving_default", "infer"


class LiteRTFile(Exported):
    """A `.tflite` file in the LiteRT interpreter."""

    def _load(self, threads: int | None) -> Shapes:
        from ai_edge_litert.interpreter import Interpreter

        threads = threads or os.cpu_count()
        try:
            self._interpreter = Interpreter(model_path=str(self.path), num_threads=threads)
            # A file that trains has several signatures, each with an input of its own.
            self._infer = None
            if INFER in self._interpreter.get_signature_list():
                self._infer = self._interpreter.get_signature_runner(INFER)
            names = list(self.input.device().sample())
            self._inputs = named_details(self._interpreter, "inputs", names)
            self._outputs = named_details(self._interpreter, "outputs", self._names)
            shapes = {
                name: tuple(None if size < 0 else int(size) for size in one["shape_signature"])
                for name, one in self._inputs.items()
            }
        except (RuntimeError, ValueError, IndexError, KeyError) as error:
            message = f"{self.path} cannot be loaded by LiteRT: {first_line(error)}."
            raise ExportError(message) from error
        self._shapes: dict[str, tuple[int, ...]] = {}
        return shapes

    def _run(self, tensors: Tensors) -> dict[str, np.ndarray]:
        if self._infer is not None:
            return dict(self._infer(**tensors))
        shapes = {name: one.shape for name, one in tensors.items()}
        if self._shapes != shapes:
            for name, shape in shapes.items():
                self._interpreter.resize_tensor_input(self._inputs[name]["index"], shape)
            with quiet_start():
                self._interpreter.allocate_tensors()
            self._shapes = shapes
        for name, tensor in tensors.items():
            self._interpreter.set_tensor(self._inputs[name]["index"], tensor)
        self._interpreter.invoke()
        return {name: read_tensor(self._interpreter, one) for name, one in self._outputs.items()}


def named_details(interpreter: Any, side: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The details of a file's inputs or outputs by name.

    Args:
        interpreter: Of the file.
        side: "inputs" or "outputs".
        names: What they are called; one alone need not be called so in the file.

    Raises:
        ValueError: The file has others.
    """
    inputs = side == "inputs"
    details = interpreter.get_input_details() if inputs else interpreter.get_output_details()
    if len(names) == 1:
        return {names[0]: details[0]}
    runner = interpreter.get_signature_runner(SERVING)
    own = runner.get_input_details() if inputs else runner.get_output_details()
    if set(own) != set(names):
        raise ValueError(f"its {side} are {', '.join(own)}, not {', '.join(names)}")
    by_index = {one["index"]: one for one in details}
    return {name: by_index[own[name]["index"]] for name in names}


def output_order(path: Path, names: Sequence[str]) -> list[str]:
    """Names of a file's outputs in its own order."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    details = named_details(interpreter, "outputs", names)
    found = {one["index"]: name for name, one in details.items()}
    return [found[one["index"]] for one in interpreter.get_output_details()]


def read_tensor(interpreter: Any, details: dict[str, Any]) -> np.ndarray:
    """The values of an output, float32; integers in their scale."""
    values = np.asarray(interpreter.get_tensor(details["index"]))
    scale, zero = details["quantization"]
    found = (values.astype(np.float32) - zero) * scale if scale else values
    return np.asarray(found, np.float32)
