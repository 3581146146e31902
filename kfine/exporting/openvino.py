"""OpenVINO IR folders, by the optional package openvino."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.errors import ExportError, MissingPackage
from kfine.exporting.medium import Shape
from kfine.exporting.metadata import write_beside
from kfine.exporting.predictor import Predictor, first_line

if TYPE_CHECKING:
    import keras

MODEL = "model.xml"


def require_openvino() -> None:
    """Look whether the package is there, without loading it.

    Raises:
        MissingPackage: It is not.
    """
    if importlib.util.find_spec("openvino") is None:
        raise MissingPackage("OpenVINO needs the package openvino: pip install 'kfine[openvino]'.")


def write_openvino(
    inference: keras.Model,
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    *,
    quantize: str = "none",
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a folder with `model.xml` and `model.bin`.

    "image" or "token_ids" in, the output out, any batch.

    Args:
        inference: What `inference_model` or `text_inference_model` returned.
        path: The folder to write; it must not exist yet.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts to carry along.
        quantize: "none", or "float16" for weights of half the size.
        files: What else it carries, name -> content.

    Returns:
        `path`, with labels, facts and files beside the model.

    Raises:
        MissingPackage: openvino is missing.
        ExportError: The conversion fails.
    """
    require_openvino()
    import openvino

    from kfine.exporting.saved_model import write_saved_model

    with tempfile.TemporaryDirectory(prefix=".graph-", dir=path.parent) as folder:
        graph = write_saved_model(inference, Path(folder, "graph"), labels, info)
        try:
            # Not `convert_model`: that one reports to Intel how it is used.
            model = openvino.Core().read_model(str(graph))
            path.mkdir()
            openvino.save_model(model, path / MODEL, compress_to_fp16=quantize == "float16")
        except Exception as error:
            reason = first_line(error)
            raise ExportError(f"The model could not be converted to OpenVINO: {reason}.") from error
    write_beside(path, labels, info, files)
    return path


class OpenVINOPredictor(Predictor):
    """A folder with `model.xml` in OpenVINO, on the CPU, computing in float32.

    Left to itself OpenVINO computes in bfloat16 where the processor can, and other processors
    would give other answers.
    """

    def _load(self, threads: int | None) -> Shape:
        require_openvino()
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or os.cpu_count() or 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            core = openvino.Core()
            self._model = core.compile_model(core.read_model(self.path / MODEL), "CPU", settings)
            (source,) = self._model.inputs
            self._name = source.any_name
            sizes = list(source.partial_shape)
        except Exception as error:
            message = f"{self.path} cannot be loaded by OpenVINO: {first_line(error)}."
            raise ExportError(message) from error
        return tuple(None if size.is_dynamic else size.get_length() for size in sizes)

    def _run(self, tensor: np.ndarray) -> np.ndarray:
        return np.asarray(self._model({self._name: tensor})[self.output.name])
