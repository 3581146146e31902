"""What every loaded export has in common: labels, facts, and examples to predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kfine.answers import Answer, load_answer
from kfine.errors import DataError, ExportError, RunError
from kfine.inputs import Input, Shapes, load_input
from kfine.runtimes.carried import read_carried, read_metadata
from kfine.runtimes.kinds import kind_of
from kfine.runtimes.probe import require_harmless

Tensors = Mapping[str, np.ndarray]


class Exported(ABC):
    """A loaded export.

    Args:
        path: The file or folder.
        threads: CPU threads of the runtime, all cores if `None`.
        trusted: Whether it may be loaded without being tried in another process first.
        own: A recipe's module, whose own kinds of input and answer the file may name.

    Attributes:
        path: The file or folder.
        labels: Names along the last axis of the first output.
        info: The facts attached at export.
        form: How it takes examples, one of the forms of its input.
        input: What it is given.
        answer: What it answers.

    Raises:
        ExportError: It is missing, damaged, or not exported by kfine.
    """

    def __init__(
        self, path: Path, threads: int | None = None, *, trusted: bool = False, own: Any = None
    ) -> None:
        self.path = path
        self.labels, self.info = read_metadata(path)
        self.form = str(self.info.get("form"))
        self.input, self.answer = parts_of_file(path, self.info, own, trusted=trusted)
        self._described = self.answer.device().tensors
        shapes = self._load(threads)
        device = self.input.device()
        try:
            if self.form not in device.forms:
                raise ValueError(f"its input has no form {self.form!r}")
            device.check_shapes(shapes, self.form)
        except (ValueError, TypeError, IndexError) as error:
            raise _damaged(path, error) from error
        self._device = device

    def predict(self, examples: Iterable[Any]) -> Iterator[Any]:
        """Run raw examples one by one.

        Raises:
            ExportError: An example is of another kind, or the file fails to run.
        """
        for example in examples:
            tensors, places = self._device.tensors(example, self.form)
            yield self.decode(self.outputs(tensors), places)

    def decode(self, finished: Tensors, places: Any) -> Any:
        """The prediction for one example, from what the file gave for its rows."""
        try:
            (prediction,) = self.answer.decode(finished, places)
        except DataError as error:
            raise ExportError(str(error)) from error
        except (ValueError, IndexError, KeyError, TypeError) as error:
            raise _damaged(self.path, error) from error
        return prediction

    def outputs(self, tensors: Tensors) -> dict[str, np.ndarray]:
        """Run rows `(rows, ...)`, one by one; float32 `(rows, ...)` for each output."""
        count = len(next(iter(tensors.values())))
        found = [
            self.run({name: one[row : row + 1] for name, one in tensors.items()})
            for row in range(count)
        ]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def run(self, tensors: Tensors) -> dict[str, np.ndarray]:
        """Run one row `(1, ...)`.

        Returns:
            float32 `(1, ...)` for each output.

        Raises:
            ExportError: If the file fails to run, or gives what its labels do not fit.
        """
        try:
            found = {name: np.array(one, np.float32) for name, one in self._run(tensors).items()}
        except MemoryError:
            raise
        # Each runtime has errors of its own; ONNX Runtime's inherit from nothing but Exception.
        except Exception as error:
            reason = first_line(error)
            raise ExportError(f"{self.path} loads but does not run: {reason}.") from error
        for one in self._described:
            given = found.get(one.name)
            shape = None if given is None else given.shape
            fits = shape is not None and len(shape) == 1 + one.rank and shape[0] == 1
            along = 0 if one.values_named else len(one.labels)
            if not fits or (along and shape is not None and shape[-1] != along):
                raise ExportError(
                    f"{self.path} is damaged: it has {len(one.labels)} labels and gives {shape}."
                )
        return found

    @property
    def _names(self) -> list[str]:
        """Names of the outputs."""
        return [one.name for one in self._described]

    @abstractmethod
    def _load(self, threads: int | None) -> Shapes:
        """Load the model and return the shapes of its inputs, `None` where one is open."""

    @abstractmethod
    def _run(self, tensors: Tensors) -> dict[str, np.ndarray]:
        """The inputs `(1, ...)` to the outputs `(1, ...)`, by name."""


def parts_of_file(
    path: Path, info: Mapping[str, Any], own: Any = None, *, trusted: bool = False
) -> tuple[Input, Answer]:
    """What a file says that it is given and that it answers.

    A tokenizer that somebody made up may keep a process busy for ever, so the file is tried in
    another one first. Not so a SavedModel, which TensorFlow itself does not load safely.

    Args:
        path: The file.
        info: Its facts.
        own: A recipe's module, whose own kinds it may name. Such a recipe runs code anyway, and
            its parts could not be loaded elsewhere.
        trusted: Whether to leave the trial out.

    Raises:
        ExportError: It names no kind, or one that does not ship, or is damaged.
    """
    if not trusted and own is None and kind_of(path) != "saved_model":
        require_harmless(path)
    try:
        input, answer = info.get("input"), info.get("answer")
        read = partial(read_carried, path)
        return load_input(input or {}, read, own), load_answer(answer or {}, own)
    except RunError as error:
        raise ExportError(f"{path} cannot be read: {error}") from error
    except MemoryError:
        raise
    # A description that somebody made up raises whatever its reader stumbles over.
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ExportError:
    reason = str(error).rstrip(".") or type(error).__name__
    return ExportError(f"{path} is damaged: {reason}.")


def first_line(error: Exception) -> str:
    """The first line of an error's message without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
