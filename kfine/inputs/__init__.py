"""What a model is given: one folder a kind, the same file names in each.

An input reads examples, encodes them as rows, prepares rows for the model, and puts its stage into
an exported graph. It knows nothing of answers: where rows lie in their examples is said by its
places, and an answer uses those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from kfine.inputs.kinds import part_class

# Layers whose names begin so stay in float where an export makes integers of others: numbers of
# very different ranges in one tensor would be too coarse.
IN_FLOAT = "float_"
# Fragments of programs whose examples may be several windows.
WINDOWS = Path(__file__).parent / "window_programs"

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kfine.console import Console
    from kfine.data.lengths import Lengths
    from kfine.inputs.places import Places

# Content of a file of a run or of an exported model, by name.
ReadFile = Callable[[str], bytes]
# For each tensor that a file takes: a size for each axis, `None` where it is open.
Shapes = Mapping[str, tuple[int | None, ...]]


@dataclass(frozen=True)
class Encoded:
    """Examples as a model's pipeline stores them.

    Attributes:
        rows: An array `(rows, ...)` or a dict of them; rows that lie on disk are indexed likewise.
        places: Where the rows lie in their examples.
        lengths: How far each row reaches, where rows are padded sequences.
    """

    rows: Any
    places: Places
    lengths: Lengths | None = None


@dataclass(frozen=True)
class Request:
    """What somebody asks a model for, as it was given.

    Attributes:
        given: Paths, texts, `-` for standard input.
        column: Column of the examples in tables; guessed if `None`.
        context: A second text that all examples share, or the file that holds it.
        every: Seconds between the beginnings of parts, where each part of a recording is an
            example of its own.
    """

    given: Sequence[str | Path]
    column: str | None = None
    context: str | Path | None = None
    every: float | None = None


class Examples(Protocol):
    """Examples to predict.

    Parts of recordings have `times` too: start and end in seconds of each that was read so far.
    Where fewer than `kfine.inputs.walking.AT_ONCE` are read at a time, `at_once` says how many.
    """

    def __len__(self) -> int: ...

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Names and raw examples, a few at a time; what cannot be read is named and left out."""
        ...


@dataclass(frozen=True)
class Mistake:
    """A wrong prediction in words.

    Attributes:
        index: Number of the example in its split.
        label: The truth.
        prediction: What the model says.
        probability: How sure it is, fraction 0 to 1.
        untuned: What the model said before it was trained, if it said anything.
    """

    index: int
    label: str
    prediction: str
    probability: float
    untuned: str = ""


class Input(Protocol):
    """One kind of thing that a model is given.

    Attributes:
        kind: Its folder in `kfine/inputs`.
        each: One example with its article, "an image".
        many: Several examples, "images".
        places: What its places are.
        prepare: In a graph, from a batch of stored rows to what the model takes; `None` changes
            nothing.

    One whose examples last some time, and may be asked for in parts, has `timed`, which is true;
    one that can be talked with has `spoken(turns)`, the tokens of a conversation of (role, text)
    pairs, and a `vocabulary` that makes text of tokens.
    """

    kind: ClassVar[str]
    each: ClassVar[str]
    many: ClassVar[str]

    @property
    def places(self) -> type[Places]: ...

    @property
    def prepare(self) -> Callable[[Any], Any] | None: ...

    def encode(self, examples: Any) -> Encoded:
        """Raw examples, or rows that were encoded when they were read, as stored rows.

        Raises:
            DataError: One is no example of this kind.
        """
        ...

    def requested(self, request: Request) -> Examples:
        """The examples that a user asks for.

        Raises:
            KfineError: A path is missing, or the request does not fit this kind.
        """
        ...

    def settings(self) -> dict[str, Any]:
        """Settings of a recipe with which data is read as the model was trained on."""
        ...

    def sizes(self, examples: Sequence[Any]) -> tuple[str, list[int]] | None:
        """A unit and how large each example is in it, to score small and large ones apart."""
        ...

    def cut(self, examples: Sequence[Any]) -> list[int]:
        """Numbers of the examples of which the model does not see all, such as long texts."""
        ...

    def caption(self, example: Any) -> str:
        """An example in a line, such as the text; empty where only its name can tell."""
        ...

    def write_mistakes(
        self, folder: Path, examples: Any, mistakes: Sequence[Mistake], names: Sequence[str]
    ) -> str:
        """Show wrong predictions in a folder, the most confident first; the file's name."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description with its `kind`, read back by `load`."""
        ...

    def files(self) -> dict[str, bytes]:
        """What travels beside the description, name -> content."""
        ...

    @classmethod
    def load(cls, values: Mapping[str, Any], read: ReadFile) -> Self:
        """Read what `to_dict` and `files` gave.

        Raises:
            ValueError, KeyError, TypeError, OSError: They are damaged.
        """
        ...

    def device(self) -> InputOnDevice:
        """What an exported file and its programs take."""
        ...


class InputOnDevice(Protocol):
    """How an exported file takes examples.

    Attributes:
        forms: Ways in which a file may take them, `fixed` among them, with a sentence for each.
        usual_quantize: What a LiteRT (TFLite) file is stored as where nothing is said.
    """

    forms: ClassVar[Mapping[str, str]]

    @property
    def usual_quantize(self) -> str: ...

    def stage(self, form: str) -> tuple[Any, Any]:
        """Symbolic raw tensors (one, or a dict by name) and what the model takes of them.

        LiteRT builtins only.
        """
        ...

    def tensors(self, example: Any, form: str) -> tuple[dict[str, np.ndarray], Places]:
        """What an app hands over of a raw example, `(rows, ...)` each, and the rows' places.

        Raises:
            ExportError: It is no example of this kind.
        """
        ...

    def sample(self) -> dict[str, np.ndarray]:
        """Raw tensors `(1, ...)` of usual size to try a file with."""
        ...

    def check_shapes(self, shapes: Shapes, form: str) -> None:
        """Check what a file takes against the description that it carries.

        Raises:
            ValueError: They do not go together.
        """
        ...

    def misfit(self, format: str, quantize: str, form: str) -> str:
        """Why such a file cannot be, in a sentence; empty if it can."""
        ...

    def signatures(self, inference: keras.Model, answer: Any) -> dict[str, Signature]:
        """Further ways to call a SavedModel, such as with strings."""
        ...

    def describe(self, form: str) -> dict[str, Any]:
        """What lies between an example and the model, JSON-able: "input" and so on."""
        ...

    def tensor_metadata(self, builder: Any, form: str) -> list[int]:
        """Put the description of each raw tensor into a flatbuffer builder; their offsets."""
        ...

    def portable(self, example: Any) -> Any:
        """A raw example as a program of a bundle can be given it, in one row."""
        ...

    def keep(self, example: Any, folder: Path, stem: str) -> tuple[Any, dict[str, Any]]:
        """Write a golden example; what was kept, and what `golden.json` says of it."""
        ...

    def write_programs(self, folder: Path) -> None:
        """Write what the programs of a bundle need beside the model into the bundle's folder."""
        ...

    def programs(self, needs: type[Places] | None) -> Sequence[Path]:
        """Folders with fragments of the bundle's programs, a file for each language.

        Their sections are those that `exporting/bundle/shells` name, filled with
        `program_values`: from an example to one tensor.

        Args:
            needs: The places that the answer needs.

        Returns:
            None where no program can do what lies before the model.
        """
        ...

    def program_values(self) -> dict[str, Any]:
        """What the fragments are filled with: text for comments and names, or a value.

        Among them `each`, what an example is called, and `given`, a sentence on what it may be.
        """
        ...

    def card_use(self, form: str, output: str, programs: str) -> str:
        """How the file is used, for the model card.

        Args:
            form: Of the file.
            output: What comes out.
            programs: For what the bundle has programs: "Android and iOS"; empty for nothing.
        """
        ...


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


def load_input(values: Mapping[str, Any], read: ReadFile, own: Any = None) -> Input:
    """The input that a description names.

    Args:
        values: What `to_dict` gave.
        read: Content of the files beside it.
        own: A recipe's module, whose own kinds may be named too; without, only those that ship.

    Raises:
        RunError: There is no such kind, or its description or files are damaged.
    """
    kind: type[Input] = part_class("inputs", values, own)
    return kind.load(values, read)
