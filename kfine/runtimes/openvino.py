"""OpenVINO folders, by the optional package openvino."""

from __future__ import annotations

import importlib.util
import os

import numpy as np

from kfine.errors import ExportError, MissingPackage
from kfine.inputs import Shapes
from kfine.runtimes.exported import Exported, Tensors, first_line

MODEL = "model.xml"


def require_openvino() -> None:
    """Look whether the package is there, without loading it.

    Raises:
        MissingPackage: It is not.
    """
    if importlib.util.find_spec("openvino") is None:
        raise MissingPackage("OpenVINO needs the package openvino: pip install 'kfine[openvino]'.")


class OpenVINOFolder(Exported):
    """A folder with `model.xml` in OpenVINO, on the CPU, computing in float32.

    Left to itself OpenVINO computes in bfloat16 where the processor can, and other processors
    would give other answers.
    """

    def _load(self, threads: int | None) -> Shapes:
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
            return {
                one.any_name: tuple(
                    None if size.is_dynamic else size.get_length() for size in one.partial_shape
                )
                for one in self._model.inputs
            }
        except Exception as error:
            message = f"{self.path} cannot be loaded by OpenVINO: {first_line(error)}."
            raise ExportError(message) from error

    def _run(self, tensors: Tensors) -> dict[str, np.ndarray]:
        found = self._model(dict(tensors))
        return {name: np.asarray(found[name]) for name in self._names}
