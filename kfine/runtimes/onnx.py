"""ONNX files in ONNX Runtime, an optional package."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence

import numpy as np

from kfine.errors import ExportError, MissingPackage
from kfine.inputs import Shapes
from kfine.runtimes.exported import Exported, Tensors, first_line

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


class OnnxFile(Exported):
    """An `.onnx` file in ONNX Runtime, on the CPU."""

    def _load(self, threads: int | None) -> Shapes:
        require_onnx(["onnxruntime"])
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.log_severity_level = _LOG_LEVEL
        try:
            self._session = onnxruntime.InferenceSession(
                str(self.path), options, providers=["CPUExecutionProvider"]
            )
            sources = self._session.get_inputs()
        # Its errors have no common parent but Exception.
        except Exception as error:
            message = f"{self.path} cannot be loaded by ONNX Runtime: {first_line(error)}."
            raise ExportError(message) from error
        return {
            one.name: tuple(size if isinstance(size, int) else None for size in one.shape)
            for one in sources
        }

    def _run(self, tensors: Tensors) -> dict[str, np.ndarray]:
        found = self._session.run(self._names, dict(tensors))
        return {name: np.asarray(one) for name, one in zip(self._names, found, strict=True)}
