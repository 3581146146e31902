"""Exported files, run as they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from kfine.backend import quiet_start
from kfine.errors import ExportError
from kfine.exporting.kinds import find_model, kind_of
from kfine.exporting.medium import Shape
from kfine.exporting.predictor import Predictor, first_line
from kfine.exporting.text_signature import require_operations

__all__ = ["LiteRTPredictor", "Predictor", "SavedModelPredictor", "load_exported"]


class LiteRTPredictor(Predictor):
    """A `.tflite` file in the LiteRT interpreter."""

    def _load(self, threads: int | None) -> Shape:
        from ai_edge_litert.interpreter import Interpreter

        threads = threads or os.cpu_count()
        try:
            self._interpreter = Interpreter(model_path=str(self.path), num_threads=threads)
            # A file that trains has several signatures, each with an input of its own.
            self._infer = None
            signature = self._interpreter.get_signature_list().get("infer")
            if signature:
                (self._infer_input,) = signature["inputs"]
                self._infer = self._interpreter.get_signature_runner("infer")
            self._input = self._interpreter.get_input_details()[0]
            self._output = self._interpreter.get_output_details()[0]
            stated = [int(size) for size in self._input["shape_signature"]]
        except (RuntimeError, ValueError, IndexError) as error:
            message = f"{self.path} cannot be loaded by LiteRT: {first_line(error)}."
            raise ExportError(message) from error
        self._shape: tuple[int, ...] | None = None
        return tuple(None if size < 0 else size for size in stated)

    def _run(self, tensor: np.ndarray) -> np.ndarray:
        if self._infer is not None:
            return np.asarray(self._infer(**{self._infer_input: tensor})[self.output.name])
        if self._shape != tensor.shape:
            self._interpreter.resize_tensor_input(self._input["index"], tensor.shape)
            with quiet_start():
                self._interpreter.allocate_tensors()
            self._shape = tensor.shape
        self._interpreter.set_tensor(self._input["index"], tensor)
        self._interpreter.invoke()
        values = np.asarray(self._interpreter.get_tensor(self._output["index"]))
        scale, zero = self._output["quantization"]
        return (values.astype(np.float32) - zero) * scale if scale else values


class SavedModelPredictor(Predictor):
    """A SavedModel folder in TensorFlow.

    It is not tried in another process first: a SavedModel is a program, which may do harm
    without bringing anything down.
    """

    fragile = False

    def _load(self, threads: int | None) -> Shape:
        import tensorflow as tf

        require_operations(self.info, self.path)
        try:
            self._model: Any = tf.saved_model.load(str(self.path))
            self._serve = self._model.signatures["serving_default"]
            ((self._name, spec),) = self._serve.structured_input_signature[1].items()
            shape: Shape = tuple(spec.shape.as_list())
        # TensorFlow answers a damaged folder with parse errors, its own errors and OSError.
        except Exception as error:
            message = f"{self.path} cannot be loaded by TensorFlow: {first_line(error)}."
            raise ExportError(message) from error
        return shape

    def _run(self, tensor: np.ndarray) -> np.ndarray:
        import tensorflow as tf

        return np.asarray(self._serve(**{self._name: tf.constant(tensor)})[self.output.name])


def load_exported(
    path: Path | str, *, threads: int | None = None, trusted: bool = False
) -> Predictor:
    """Load what kfine exported, in any format.

    Nothing is handed to an interpreter before identifier, labels and checksum are read, and
    before the content has run once in a process of its own (`require_harmless`): on foreign or
    damaged bytes an interpreter may end the whole process.

    Args:
        path: The file or folder; a bundle's folder stands for its file.
        threads: CPU threads of the runtime, all cores if omitted. A SavedModel runs with
            TensorFlow's own setting, which is one for the whole process.
        trusted: Whether to leave out that first run, in a process that may as well end.

    Returns:
        Something that predicts.

    Raises:
        ExportError: If it is missing, damaged, or not exported by kfine.
        MissingPackage: If its runtime is optional and not installed.
    """
    path = find_model(path)
    kind = kind_of(path)
    # The optional runtimes are in modules of their own, which need not be there.
    if kind == "onnx":
        from kfine.exporting.onnx import OnnxPredictor

        return OnnxPredictor(path, threads, trusted=trusted)
    if kind == "openvino":
        from kfine.exporting.openvino import OpenVINOPredictor

        return OpenVINOPredictor(path, threads, trusted=trusted)
    if kind == "saved_model":
        return SavedModelPredictor(path, threads, trusted=trusted)
    return LiteRTPredictor(path, threads, trusted=trusted)
