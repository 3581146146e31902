"""What every loaded export has in common: labels, facts, and examples to probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kfine.errors import ExportError
from kfine.exporting.medium import Medium, Shape, medium_class, stated_medium
from kfine.exporting.metadata import read_carried, read_metadata
from kfine.exporting.outputs import require_classes


class Predictor(ABC):
    """A loaded export.

    Args:
        path: The file or folder.
        threads: CPU threads of the runtime, all cores if `None`.
        trusted: Whether it may be loaded without being tried in another process first.

    Attributes:
        path: The file or folder.
        labels: Class names in the order of the probabilities.
        info: The facts attached at export.
        medium: What it takes, images or texts.

    Raises:
        ExportError: It is missing, damaged, or not exported by kfine.
    """

    # Whether the runtime can be brought down by a damaged file.
    fragile = True

    def __init__(self, path: Path, threads: int | None = None, *, trusted: bool = False) -> None:
        self.path = path
        self.labels, self.info = read_metadata(path)
        if self.fragile and not trusted:
            from kfine.exporting.probe import require_harmless

            require_harmless(path)
        shape = self._load(threads)
        name, facts = stated_medium(self.info)
        read = partial(read_carried, path)
        self.medium: Medium = medium_class(name).of_file(path, facts, shape, read)

    def predict(self, examples: Iterable[Any]) -> np.ndarray:
        """Run examples one by one.

        Args:
            examples: uint8 RGB images `(height, width, 3)`, whose sizes may differ, and which a
                file of fixed size gets resized as in training; or texts, each a str or a tuple
                of two.

        Returns:
            float32 probabilities `(examples, classes)`.

        Raises:
            ExportError: If an example is of another kind, or the file fails to run.
        """
        rows = [self.answer(self.medium.tensor(example)) for example in examples]
        return np.stack(rows) if rows else np.zeros((0, len(self.labels)), np.float32)

    def answer(self, tensor: np.ndarray) -> np.ndarray:
        """Run one input `(1, ...)`, as `medium.tensor` gives it.

        Returns:
            float32 probabilities `(classes,)`.

        Raises:
            ExportError: If the file fails to run.
        """
        try:
            found = np.array(self._run(tensor), np.float32)
        except MemoryError:
            raise
        # Each runtime has errors of its own; ONNX Runtime's inherit from nothing but Exception.
        except Exception as error:
            reason = first_line(error)
            raise ExportError(f"{self.path} loads but does not run: {reason}.") from error
        return require_classes(found, self.labels, self.path)

    @abstractmethod
    def _load(self, threads: int | None) -> Shape:
        """Load the model and return the shape of its input, `None` where it is open."""

    @abstractmethod
    def _run(self, tensor: np.ndarray) -> np.ndarray:
        """The input `(1, ...)` to float32 `(1, classes)`."""


def first_line(error: Exception) -> str:
    """The first line of an error's message without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
