"""SavedModel folders in TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from kfine.errors import ExportError
from kfine.inputs import Shapes
from kfine.runtimes.exported import Exported, Tensors, first_line


class SavedModelFolder(Exported):
    """A SavedModel folder in TensorFlow.

    It is not tried in another process first: a SavedModel is a program, which may do harm
    without bringing anything down.
    """

    def _load(self, threads: int | None) -> Shapes:
        import tensorflow as tf

        try:
            self._model: Any = tf.saved_model.load(str(self.path))
            self._serve = self._model.signatures["serving_default"]
            specs = self._serve.structured_input_signature[1]
            return {name: tuple(spec.shape.as_list()) for name, spec in specs.items()}
        # TensorFlow answers a damaged folder with parse errors, its own errors and OSError.
        except Exception as error:
            message = f"{self.path} cannot be loaded by TensorFlow: {first_line(error)}."
            raise ExportError(message) from error

    def _run(self, tensors: Tensors) -> dict[str, np.ndarray]:
        import tensorflow as tf

        found = self._serve(**{name: tf.constant(one) for name, one in tensors.items()})
        return {name: np.asarray(one) for name, one in found.items()}
