"""ONNX files, by the optional packages tf2onnx, onnx and onnxruntime."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.backend import quiet_start
from kfine.errors import ExportError, MissingPackage
from kfine.exporting.medium import Shape
from kfine.exporting.metadata import CHECKSUM, metadata_files
from kfine.exporting.onnx_metadata import append_properties, checksum_of
from kfine.exporting.predictor import Predictor, first_line

if TYPE_CHECKING:
    import keras

PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
# In ONNX Runtime's scale; 3 is errors.
_LOG_LEVEL = 3


def require_onnx(packages: Sequence[str] = PACKAGES) -> None:
    """Look whether the packages are there, without loading them.

    Raises:
        MissingPackage: One is not.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPackage(f"ONNX needs {' and '.join(missing)}: pip install 'kfine[onnx]'.")


def write_onnx(
    inference: keras.Model,
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a float32 ONNX file: "image" or "token_ids" in, the output out, any batch.

    Args:
        inference: What `inference_model` or `text_inference_model` returned.
        path: The file to write.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts to carry along.
        files: What else it carries, name -> content, which is text.

    Returns:
        `path`, with labels, facts, files and a checksum in its `metadata_props`.

    Raises:
        MissingPackage: tf2onnx, onnx or onnxruntime is missing.
        ExportError: The conversion fails.
    """
    require_onnx()
    import tensorflow as tf

    source = inference.inputs[0]
    signature = [tf.TensorSpec((None, *source.shape[1:]), source.dtype, name=source.name)]
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # tf2onnx prints pages, and warns of what Keras does to it for NumPy 2.
        with warnings.catch_warnings(), quiet_start():
            warnings.simplefilter("ignore")
            inference.export(str(path), format="onnx", verbose=False, input_signature=signature)
            _name(path, inference.output_names[0])
    # tf2onnx raises whatever its rewriters stumble over.
    except Exception as error:
        reason = first_line(error)
        raise ExportError(f"The model could not be converted to ONNX: {reason}.") from error
    finally:
        logger.setLevel(level)
    more = {name: content.decode() for name, content in (files or {}).items()}
    texts = {**metadata_files(labels, info), **more}
    append_properties(path, {**texts, CHECKSUM: checksum_of(path)})
    return path


def _name(path: Path, output: str) -> None:
    """Give the output and the free dimensions names that say what they are."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    old = graph.output[0].name
    for node in graph.node:
        node.output[:] = [output if name == old else name for name in node.output]
        node.input[:] = [output if name == old else name for name in node.input]
    graph.output[0].name = output
    for tensor in (graph.input[0], graph.output[0]):
        sides = tensor.type.tensor_type.shape.dim
        for side, name in zip(sides, ("batch", "height", "width"), strict=False):
            if not side.HasField("dim_value"):
                side.dim_param = name
    model.producer_name = "kfine"
    onnx.checker.check_model(model)
    onnx.save(model, path)


class OnnxPredictor(Predictor):
    """An `.onnx` file in ONNX Runtime, on the CPU."""

    def _load(self, threads: int | None) -> Shape:
        require_onnx(["onnxruntime"])
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.log_severity_level = _LOG_LEVEL
        try:
            self._session = onnxruntime.InferenceSession(
                str(self.path), options, providers=["CPUExecutionProvider"]
            )
            source = self._session.get_inputs()[0]
        # Its errors have no common parent but Exception.
        except Exception as error:
            message = f"{self.path} cannot be loaded by ONNX Runtime: {first_line(error)}."
            raise ExportError(message) from error
        self._name = source.name
        return tuple(size if isinstance(size, int) else None for size in source.shape)

    def _run(self, tensor: np.ndarray) -> np.ndarray:
        return np.asarray(self._session.run([self.output.name], {self._name: tensor})[0])
