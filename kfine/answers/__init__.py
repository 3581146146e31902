"""What a model answers: one folder a kind, the same file names in each.

An answer turns labels into targets, owns the losses, turns outputs into predictions, scores them,
and puts its stage into an exported graph. Values are in the example's own units: class names,
characters, the unit of a column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeAlias

from kfine.inputs.kinds import part_class

if TYPE_CHECKING:
    import numpy as np

    from kfine.answers.score import Score
    from kfine.inputs import Mistake
    from kfine.inputs.places import Places

# Fragments of programs that give one number for each name; `ranked`, the largest first.
NAMED = Path(__file__).parent / "named_programs"
# Stands for a label that an example has not got; it takes no part in losses and scores.
MISSING = None
# Features `(rows, features)` and targets of as many rows.
Learned: TypeAlias = "tuple[np.ndarray, np.ndarray]"


@dataclass(frozen=True)
class Targets:
    """What is learned, one row for each row of the input.

    Attributes:
        rows: Output name -> `(rows, ...)`.
        weights: Output name -> `(rows,)` float32, where rows do not count alike.
    """

    rows: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Trivial:
    """The answer that costs nothing, which every model has to beat.

    Attributes:
        name: Such as `majority`.
        predict: From examples to predictions.
        facts: What is known of it, JSON-able.
    """

    name: str
    predict: Callable[[Sequence[Any]], Any]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """One tensor that comes out of a file.

    Attributes:
        name: Of the tensor.
        meaning: For people, in the file's metadata: its name there and a sentence.
        axes: Its shape in words, without the batch.
        value_range: Least and largest value, `None` if open.
        labels: Names along the last axis; empty if it has none.
        rank: How many axes it has behind the batch.
        values_named: Whether `labels` are the names of the numbers in it, rather than of an axis.
        boxes: Whether the last axis is left, top, right and bottom, as fractions of an image.
    """

    name: str
    meaning: tuple[str, str]
    axes: str
    value_range: tuple[float, float] | None = None
    labels: tuple[str, ...] = ()
    rank: int = 1
    values_named: bool = False
    boxes: bool = False


class Answer(Protocol):
    """One kind of thing that a model answers.

    Attributes:
        kind: Its folder in `kfine/answers`.
        needs: The places that it needs of an input; `None` if it is about whole examples.
        moves: Target row -> what Keras' augmentation layers call it; empty where augmentation
            leaves the targets alone.
        primary: The metric that decides.
        direction: "max" or "min".
        watched: The Keras metric of each epoch that comes nearest to it.
        names: What it tells apart: classes, tags, columns.
        called: What those are called in messages, "labels".

    An answer may have more:

    - `linear_model(train, validation, weights, seed)`: the kernel `(features, outputs)` and the
      bias `(outputs,)` of a linear model of the features that the head is given, at which the head
      starts; `train` and `validation` are features and target rows, the latter maybe none, and
      `weights` how much each training row counts, or `None`. Without, the head starts at random.
    - `positions`: names of target rows whose second axis is as long as a row of the input, and is
      cut with it.
    - `target(rows)`: in a graph, from target rows as they are stored, after augmentation, to what
      the losses compare; those of one output come by themselves, as `encode` gives them.
    - `fed`: name of an input of the model -> in a graph, from target rows as they are stored, to
      that input: what the model is told of the truth while it learns (teacher forcing).
    - `generation`: how a model that was told says it by itself, one token after the other: what
      `kfine.models.speech.transcriber` or `kfine.models.language.writer` takes. `finish` gets the
      outputs of that one.
    - `pretrained`: true where the model answers before it is trained, so that this, untuned, is
      what it has to beat.
    - `loss_weights`: of each of several outputs by name.
    - `drawn(image, value)`, `legend()` and `write_drawn(folder, stem, image, value)`: where what
      it says stands inside images, an image (uint8 RGB) with a prediction or a label drawn in,
      names with their colours, and files of it.
    - `choose(predictions, labels)`: of validation examples, which are new to the model: what only
      they can choose, such as a threshold, as values that `to_dict` has; a run keeps them in the
      place of those that the answer began with.
    - `written(folder, named)`: files of all that was found, from (path of an image, prediction)
      pairs, in the format of annotation tools.
    - `calibrated(predictions, labels)`: of validation examples, which are new to the model: the
      answer whose `finish` is as often right as it says.
    - `doubts(predictions, labels)`: of predictions by models that did not learn from the examples,
      a `kfine.answers.doubts.Doubt` for each label that is probably wrong.
    - `confused(predictions, labels)`: of the same, pairs of names that are taken for each other.
    - `held(labels)`: which names examples have, bool `(examples, names)`, where each is given some.
    - `mixes`: true where a mean of two rows of its one target is a target too, so that examples
      may be mixed.
    """

    kind: ClassVar[str]

    @property
    def needs(self) -> type[Places] | None: ...

    @property
    def moves(self) -> Mapping[str, str]: ...

    @property
    def primary(self) -> str: ...

    @property
    def direction(self) -> str: ...

    @property
    def watched(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def called(self) -> str: ...

    def unknown(self, label: Any) -> Iterable[str]:
        """Names in a label that it does not know."""
        ...

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """Labels of examples as targets of their rows.

        Raises:
            DataError: A label contradicts the answer, such as a class that it does not know.
        """
        ...

    def losses(self) -> Mapping[str, Any]:
        """Output name -> Keras loss of (target, output)."""
        ...

    def metrics(self) -> Mapping[str, list[Any]]:
        """Output name -> Keras metrics."""
        ...

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """In a graph, of LiteRT builtins only: outputs to what a file gives."""
        ...

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[Any]:
        """Finished rows to one prediction for each example."""
        ...

    def settle(self, prediction: Any) -> Any:
        """The label that a prediction comes down to."""
        ...

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Predictions, or labels in their place, against the truth.

        Raises:
            DataError: There is nothing to score.
        """
        ...

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """The trivial answer that the training examples give."""
        ...

    @property
    def probes(self) -> bool:
        """Whether `probe` has a linear model; else the head is trained alone beside the model."""
        ...

    def probe(
        self,
        train: tuple[np.ndarray, Sequence[Any]],
        validation: tuple[np.ndarray, Sequence[Any]],
        test: np.ndarray,
        seed: int,
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """Predictions of a linear model on features `(examples, features)`, and facts about it."""
        ...

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """A prediction in JSON-able rows, the most probable first."""
        ...

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """A prediction beside its label, for `predictions.json`."""
        ...

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake] | None:
        """Wrong predictions, the most confident first; `None` where they cannot be listed."""
        ...

    def draw(self, folder: Path, score: Score) -> None:
        """Draw the tables of a score into a folder."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description with its `kind`, read back by `load`."""
        ...

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises:
            ValueError, KeyError, TypeError: It is damaged.
        """
        ...

    def device(self) -> AnswerOnDevice:
        """What an exported file gives, and its words."""
        ...


class AnswerOnDevice(Protocol):
    """What comes out of an exported file, and all that is said of it.

    Attributes:
        programs: Folders with fragments of the bundle's programs, a file for each language: from
            outputs to what was found. None if there are no programs.
        right: What the share of right examples is called; empty where that says nothing, as of
            numbers.
        same: What the agreement of two models is called.
        timed: What is timed, with its article, where it is not an example.

    It may have `counted`, what a class is counted in where that is not examples;
    `custom_metadata()`, what a library wants to find in the file: name -> a flatbuffer; and
    `write_programs(folder)`, which writes what the programs need beside the model.
    """

    @property
    def programs(self) -> Sequence[Path]: ...

    @property
    def right(self) -> str: ...

    @property
    def same(self) -> str: ...

    @property
    def timed(self) -> str: ...

    @property
    def tensors(self) -> tuple[Described, ...]: ...

    def describe(self, quantize: str) -> dict[str, Any]:
        """Name, axes and type in a file of some quantization; JSON-able."""
        ...

    def misfit(self, format: str, quantize: str) -> str:
        """Why a file of this answer cannot be, in a sentence; empty if it can."""
        ...

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """What a file does with its inputs, in a sentence."""
        ...

    def words(self, dtype: str) -> str:
        """What comes out, for the model card."""
        ...

    def limits(self) -> str:
        """What to know before shipping, in a sentence."""
        ...

    def strings(
        self, inference: Any, tokenizer: Any, text: Any
    ) -> tuple[tuple[str, ...], Callable[..., dict[str, Any]]] | None:
        """What a SavedModel makes of strings where that is more than the outputs of their ids.

        Names of the strings and a function of them, in a graph with the tokenizer.
        """
        ...

    def program_values(self) -> dict[str, Any]:
        """What the fragments are filled with: text for comments and names, or a value.

        Among them `name` and `verb`, of the class and its function; `program`, of the file;
        `does`, a few words; and `result`, a sentence on what is found.
        """
        ...

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """Write what a file gives for a golden example; what `golden.json` says of it."""
        ...


class TensorsOnly:
    """What the device half of an answer says that gives its tensors and no more."""

    def strings(self, inference: Any, tokenizer: Any, text: Any) -> None:
        """The outputs of the ids are all there is."""


def fractions_in_file(name: str, quantize: str) -> dict[str, Any]:
    """What a file says of an output of fractions, 0 to 1: uint8 in an integer one, else float32."""
    if quantize == "int8-full":
        return {"name": name, "dtype": "uint8", "scale": 1 / 256, "zero": 0}
    return {"name": name, "dtype": "float32"}


def load_answer(values: Mapping[str, Any], own: Any = None) -> Answer:
    """The answer that a description names.

    Args:
        values: What `to_dict` gave.
        own: A recipe's module, whose own kinds may be named too; without, only those that ship.

    Raises:
        RunError: There is no such kind.
    """
    kind: type[Answer] = part_class("answers", values, own)
    if isinstance(values.get("parts"), Mapping):
        values = {
            **values,
            "parts": {name: load_answer(one, own) for name, one in values["parts"].items()},
        }
    return kind.load(values)


def named_outputs(answer: Answer, outputs: Any) -> dict[str, Any]:
    """A model's outputs by name: those of one output have the name that the answer gives it."""
    if isinstance(outputs, Mapping):
        return dict(outputs)
    (name,) = answer.losses()
    return {name: outputs}


def known(labels: Iterable[Any]) -> list[bool]:
    """Which labels are there."""
    return [label is not MISSING for label in labels]
