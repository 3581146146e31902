"""What goes into an exported file: images or texts, and all that an export says of them."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kfine.errors import ExportError
from kfine.exporting.outputs import Output

# Medium -> the module and class that know it.
_MEDIA = {"image": ("images", "Images"), "text": ("texts", "Texts")}
# A file's input: a size for each axis, `None` where it is open.
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    """A further way to call a SavedModel.

    Attributes:
        function: From its inputs to a dictionary of outputs.
        inputs: A `tf.TensorSpec` for each.
        requires: Python package whose TensorFlow operations a server needs.
    """

    function: Callable[..., dict[str, Any]]
    inputs: list[Any]
    requires: str


class Medium(ABC):
    """One kind of example, and how a file takes it.

    Attributes:
        name: As in the facts of a file, "image".
        each: One example with its article, as in "3 ms an image".
        many: Several examples, "images".
        subject: What a classifier sorts, "photos".
        usual_quantize: What a LiteRT file is stored as where nothing is said.
        usual_input: Input kind of a bundle, and of other formats, where nothing is said.
    """

    name: ClassVar[str]
    each: ClassVar[str]
    many: ClassVar[str]
    subject: ClassVar[str]
    usual_quantize: ClassVar[str]
    usual_input: ClassVar[tuple[str, str]]

    @classmethod
    @abstractmethod
    def of(cls, preprocessing: Any) -> Medium:
        """The medium of a run."""

    @classmethod
    @abstractmethod
    def of_file(
        cls, path: Path, facts: Mapping[str, Any], shape: Shape, read: Callable[[str], bytes]
    ) -> Medium:
        """The medium of a loaded file.

        Args:
            path: The file, for messages.
            facts: Its "preprocessing", as far as it states any.
            shape: Of the input that it has.
            read: Content of a file that it carries, by name.

        Raises:
            ExportError: These do not go together.
        """

    @property
    @abstractmethod
    def recipe(self) -> str:
        """The one that reads labelled data where a file names none that kfine has."""

    @property
    @abstractmethod
    def output(self) -> Output:
        """What comes out of a file."""

    @abstractmethod
    def tensor(self, example: Any) -> np.ndarray:
        """The input `(1, ...)` of a raw example; `(rows, ...)` of one that takes several.

        Raises:
            ExportError: It is none.
        """

    @abstractmethod
    def sample(self) -> np.ndarray:
        """An input `(1, ...)` of usual size to try a file with.

        Raises:
            ExportError: The size is not known.
        """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Settings of a recipe with which data is read as the file's model was trained on."""

    @abstractmethod
    def misfit(self, format: str, quantize: str, input_kind: str) -> str:
        """Why such a file cannot be, in a sentence; empty if it can."""

    @abstractmethod
    def inference(self, model: Any, input_kind: str) -> Any:
        """A Keras model from what `tensor` gives to the answer."""

    @abstractmethod
    def calibration(self, example: Any) -> np.ndarray:
        """A raw example as the input `(...)`, its first row, that calibrates integers."""

    @abstractmethod
    def files(self) -> dict[str, bytes]:
        """What a file has to carry beside labels and facts: name -> content."""

    @abstractmethod
    def more_signatures(self, inference: Any) -> dict[str, Signature]:
        """What a SavedModel takes beside inputs as `tensor` gives them."""

    @staticmethod
    @abstractmethod
    def metadata_tensor(facts: Mapping[str, Any]) -> Callable[[Any], int]:
        """What describes the input in a `ModelMetadata`, from a preprocessing's facts."""

    @abstractmethod
    def describe(self, input_kind: str) -> dict[str, Any]:
        """What lies between an example and the model, JSON-able: "input" and so on."""

    def portable(self, example: Any) -> Any:
        """A raw example as a program of a bundle can be given it, in one row."""
        return example

    @abstractmethod
    def write_golden(
        self, folder: Path, stem: str, example: Any
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Write a golden example; the input of the model's size, and what `golden.json` says."""

    @property
    def programs(self) -> str | None:
        """Folder of the templates of the programs that use the file; `None` if there are none."""
        return self.name + self.output.programs

    @abstractmethod
    def write_programs(self, folder: Path) -> None:
        """Write what the programs of a bundle need beside the model into the bundle's folder."""

    @abstractmethod
    def program_values(self) -> dict[str, Any]:
        """What the templates of the programs in `templates/NAME/` are filled with."""

    @abstractmethod
    def card_use(self, input_kind: str, output: str) -> str:
        """How the file is used, for the model card; `output` says what comes out."""


def medium_class(name: str) -> type[Medium]:
    """The class of a medium.

    Raises:
        ExportError: There is none of that name.
    """
    if name not in _MEDIA:
        raise ExportError(f"Unknown medium: {name!r}; kfine exports {' and '.join(_MEDIA)} models.")
    module, kind = _MEDIA[name]
    found: type[Medium] = getattr(importlib.import_module(f"kfine.exporting.{module}"), kind)
    return found


def medium_of(preprocessing: Any) -> Medium:
    """The medium of a run's preprocessing."""
    return medium_class(preprocessing.medium).of(preprocessing)


def stated_medium(info: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The medium that a file's facts name, and what they say of the preprocessing."""
    facts = info.get("preprocessing")
    facts = facts if isinstance(facts, dict) else {}
    return str(facts.get("medium", "image")), facts
