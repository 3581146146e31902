"""What every loaded export has in common: labels, facts, and examples to answers."""

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
from kfine.exporting.outputs import Output


class Predictor(ABC):
    """A loaded export.

    Args:
        path: The file or folder.
        threads: CPU threads of the runtime, all cores if `None`.
        trusted: Whether it may be loaded without being tried in another process first.

    Attributes:
        path: The file or folder.
        labels: Names along the last axis of the output: the classes, in their order.
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

    @property
    def output(self) -> Output:
        """What its answers mean."""
        return self.medium.output

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of the run that it was made from."""
        return self.output.class_names(self.labels, self.info)

    def predict(self, examples: Iterable[Any]) -> np.ndarray:
        """Run examples one by one.

        Args:
            examples: uint8 RGB images `(height, width, 3)`, whose sizes may differ, and which a
                file of fixed size gets resized as in training; or texts, each a str or a tuple
                of two; or the `Question`s of a file that answers them.

        Returns:
            float32 probabilities `(examples, classes)`; of a file that looks inside texts
            `(rows, pieces, ...)`, one row an example, or as many as the windows of a question.

        Raises:
            ExportError: If an example is of another kind, or the file fails to run.
        """
        tensors = [self.medium.tensor(example) for example in examples]
        rows = [self.answer(one[row : row + 1]) for one in tensors for row in range(len(one))]
        return np.stack(rows) if rows else np.zeros((0, len(self.labels)), np.float32)

    def answer(self, tensor: np.ndarray) -> np.ndarray:
        """Run one input `(1, ...)`, a row of what `medium.tensor` gives.

        Returns:
            float32 probabilities `(classes,)`, or `(pieces, ...)`.

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
        return self.output.require(found, tensor.shape, self.labels, self.path)

    @abstractmethod
    def _load(self, threads: int | None) -> Shape:
        """Load the model and return the shape of its input, `None` where it is open."""

    @abstractmethod
    def _run(self, tensor: np.ndarray) -> np.ndarray:
        """The input `(1, ...)` to float32 `(1, ...)`."""


def first_line(error: Exception) -> str:
    """The first line of an error's message without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
