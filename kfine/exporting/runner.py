"""Exported files, run as they are."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kfine.backend import quiet_start
from kfine.data.images import resize_image
from kfine.errors import ExportError
from kfine.exporting.metadata import read_metadata


class Predictor(ABC):
    """A loaded export.

    Attributes:
        path: The file or folder.
        labels: Class names in the order of the probabilities.
        info: The facts attached at export.
        image_size: Height and width in pixels that the file wants, `None` for any.
    """

    image_size: tuple[int, int] | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.labels, self.info = read_metadata(path)

    def predict(self, images: Iterable[np.ndarray]) -> np.ndarray:
        """Run images one by one.

        Args:
            images: uint8 RGB `(height, width, 3)`, sizes may differ; a file of fixed size gets
                them resized as in training.

        Returns:
            float32 probabilities `(images, classes)`.

        Raises:
            ExportError: If an image is not uint8 RGB, or the file fails to run.
        """
        rows = [self._row(image) for image in images]
        return np.stack(rows) if rows else np.zeros((0, len(self.labels)), np.float32)

    def _row(self, image: np.ndarray) -> np.ndarray:
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ExportError(
                "An image to predict must be uint8 (height, width, 3); "
                f"received {image.dtype} {image.shape}."
            )
        if self.image_size and image.shape[:2] != self.image_size:
            image = resize_image(image, self.image_size)
        try:
            return np.array(self._run(image[None])[0], np.float32)
        except (RuntimeError, ValueError) as error:
            raise ExportError(f"{self.path} loads but does not run: {_first(error)}.") from error

    @abstractmethod
    def _run(self, batch: np.ndarray) -> np.ndarray:
        """uint8 `(1, height, width, 3)` to float32 `(1, classes)`."""


class LiteRTPredictor(Predictor):
    """A `.tflite` file in the LiteRT interpreter."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        super().__init__(path)
        from ai_edge_litert.interpreter import Interpreter

        threads = threads or os.cpu_count()
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._input = self._interpreter.get_input_details()[0]
            self._output = self._interpreter.get_output_details()[0]["index"]
        except (RuntimeError, ValueError, IndexError) as error:
            raise ExportError(f"{path} cannot be loaded by LiteRT: {_first(error)}.") from error
        height, width = (int(side) for side in self._input["shape_signature"][1:3])
        self.image_size = None if height < 0 else (height, width)
        self._shape: tuple[int, ...] | None = None

    def _run(self, batch: np.ndarray) -> np.ndarray:
        if self._shape != batch.shape:
            self._interpreter.resize_tensor_input(self._input["index"], batch.shape)
            with quiet_start():
                self._interpreter.allocate_tensors()
            self._shape = batch.shape
        self._interpreter.set_tensor(self._input["index"], batch)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output))


class SavedModelPredictor(Predictor):
    """A SavedModel folder in TensorFlow."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        import tensorflow as tf

        try:
            self._model: Any = tf.saved_model.load(str(path))
            self._serve = self._model.signatures["serving_default"]
            shape = self._serve.structured_input_signature[1]["image"].shape
        # TensorFlow answers a damaged folder with parse errors, its own errors and OSError.
        except Exception as error:
            message = f"{path} cannot be loaded by TensorFlow: {_first(error)}."
            raise ExportError(message) from error
        self.image_size = None if shape[1] is None else (shape[1], shape[2])

    def _run(self, batch: np.ndarray) -> np.ndarray:
        import tensorflow as tf

        return np.asarray(self._serve(image=tf.constant(batch))["probabilities"])


def load_exported(path: Path | str, *, threads: int | None = None) -> Predictor:
    """Load a `.tflite` file or a SavedModel folder that kfine exported.

    Nothing is handed to an interpreter before identifier, labels and checksum are read: on
    foreign bytes an interpreter may end the whole process.

    Args:
        path: The file or folder.
        threads: CPU threads of the runtime, all cores if omitted. A SavedModel runs with
            TensorFlow's own setting, which is one for the whole process.

    Returns:
        Something that predicts.

    Raises:
        ExportError: If it is missing, damaged, or not exported by kfine.
    """
    path = Path(path)
    return SavedModelPredictor(path) if path.is_dir() else LiteRTPredictor(path, threads)


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
