"""What comes out of an exported file, what it means, and when two answers are the same.

`Classes` are probabilities of a whole image or text, `Tags` those of each piece of a text, `Spans`
the scores of a question's answer. A task whose model answers otherwise begins here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kfine.errors import ExportError

NAME = "probabilities"
# Name, description and range of a tensor.
Described = tuple[str, str, tuple[float, float] | None]
PROBABILITY: Described = ("probability", "Probability of each class.", (0.0, 1.0))
Found = Sequence[Sequence[dict[str, Any]]]


class Output(ABC):
    """One kind of output.

    Attributes:
        name: Of the tensor.
        axes: Its shape in words.
        softmax: Whether there is one in the graph.
        recipe: The one whose words describe it where a file names none that kfine has.
        programs: Behind the medium in the name of the folder of templates.
        right: What the share of right examples is called.
        same: What the agreement of two files is called.
        row: What is timed, with its article, where it is not an example.
    """

    name: ClassVar[str]
    axes: ClassVar[str]
    softmax: ClassVar[bool]
    recipe: ClassVar[str]
    programs: ClassVar[str]
    right: ClassVar[str]
    same: ClassVar[str]
    row: ClassVar[str] = ""

    def labels(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Names along the last axis."""
        return tuple(class_names)

    def facts(self, class_names: Sequence[str]) -> dict[str, Any]:
        """What a file has to state beside the labels so that its answers can be read."""
        return {}

    def class_names(self, labels: Sequence[str], facts: Any) -> tuple[str, ...]:
        """The classes of the run, from what a file states."""
        return tuple(labels)

    def describe(self, quantize: str) -> dict[str, Any]:
        """Name and type in a file of some quantization; JSON-able."""
        return {"name": self.name, "axes": self.axes, "dtype": "float32"}

    @abstractmethod
    def purpose(self, subject: str, class_names: Sequence[str], *, counted: bool = False) -> str:
        """What a file does, in a sentence; with their number before the classes if `counted`."""

    @abstractmethod
    def words(self, class_names: Sequence[str], dtype: str) -> str:
        """What comes out, for the model card."""

    @abstractmethod
    def limits(self) -> str:
        """What to know before shipping, in a sentence."""

    @abstractmethod
    def metadata(self) -> Described:
        """Name, description and range of the tensor for a `ModelMetadata`."""

    def shape(self, taken: tuple[int, ...], count: int) -> tuple[int, ...]:
        """The shape of what a file gives.

        Args:
            taken: Shape of the input, `(1, ...)`.
            count: How many labels there are.
        """
        return (1, taken[1], count)

    def require(
        self, found: np.ndarray, taken: tuple[int, ...], labels: Sequence[str], path: Path
    ) -> np.ndarray:
        """The values `(...)` of one input.

        Args:
            found: What the file gave for it.
            taken: Shape of the input, `(1, ...)`.
            labels: What the file states.
            path: The file.

        Raises:
            ExportError: It is of another shape than labels and input say.
        """
        names = self.labels(labels)
        if found.shape != self.shape(taken, len(names)):
            raise ExportError(
                f"{path} is damaged: it has {len(names)} labels and gives {found.shape}."
            )
        row: np.ndarray = found[0]
        return row

    def logits(self, values: np.ndarray) -> np.ndarray:
        """What the recipe of the model reads: logits, up to what a softmax takes away."""
        if not self.softmax:
            return values
        logits: np.ndarray = np.log(np.maximum(values, np.finfo(np.float32).tiny))
        return logits

    @abstractmethod
    def golden(
        self,
        folder: Path,
        stem: str,
        row: np.ndarray,
        example: Any,
        preprocessing: Any,
        class_names: Sequence[str],
    ) -> dict[str, Any]:
        """Write what a file answers to a golden example; what `golden.json` says of it.

        Args:
            folder: Where files go.
            stem: Begins their names.
            row: The values.
            example: The example.
            preprocessing: That of the run.
            class_names: Of the run.
        """


class Classes(Output):
    """The probabilities of classes."""

    name = NAME
    axes = "classes"
    softmax = True
    recipe = "text_classification"
    programs = ""
    right = "accuracy"
    same = "same top class"

    def shape(self, taken: tuple[int, ...], count: int) -> tuple[int, ...]:
        return (1, count)

    def describe(self, quantize: str) -> dict[str, Any]:
        if quantize == "int8-full":
            return {"name": NAME, "dtype": "uint8", "scale": 1 / 256, "zero": 0}
        return {"name": NAME, "dtype": "float32"}

    def purpose(self, subject: str, class_names: Sequence[str], *, counted: bool = False) -> str:
        count = f" {len(class_names)} classes" if counted else ""
        return f"Classifies {subject} into{count}: {', '.join(class_names)}."

    def words(self, class_names: Sequence[str], dtype: str) -> str:
        return (
            f"{len(class_names)} probabilities ({dtype}), in the order above and of `labels.txt` "
            "inside the file."
        )

    def limits(self) -> str:
        return "It knows these classes only and answers with them whatever it is given."

    def metadata(self) -> Described:
        return PROBABILITY

    def golden(
        self,
        folder: Path,
        stem: str,
        row: np.ndarray,
        example: Any,
        preprocessing: Any,
        class_names: Sequence[str],
    ) -> dict[str, Any]:
        values = zip(class_names, row, strict=True)
        return {
            "top": class_names[int(row.argmax())],
            NAME: {name: round(float(value), 6) for name, value in values},
        }


class Inside(Output):
    """What stands inside texts, which a recipe's `interpret` reads."""

    @abstractmethod
    def agreement(self, before: Found, after: Found) -> float:
        """How much of what two models found is the same, fraction 0 to 1.

        Args:
            before: What a recipe's `describe` says of one model's answer to each example.
            after: The same of the other model.
        """


class Tags(Inside):
    """The probabilities of a BIO tag for each piece; the first piece speaks for its token."""

    name = NAME
    axes = "pieces, tags"
    softmax = True
    recipe = "token_classification"
    programs = "_tags"
    right = "share of texts with exactly their entities"
    same = "entities in common with Keras (F1)"

    def purpose(self, subject: str, class_names: Sequence[str], *, counted: bool = False) -> str:
        types = [name[2:] for name in class_names if name.startswith("B-")]
        count = f" {len(types)} type{'s' * (len(types) != 1)}" if counted else ""
        return f"Finds entities in {subject}, of{count}: {', '.join(types)}."

    def words(self, class_names: Sequence[str], dtype: str) -> str:
        return (
            f"for each token id the probabilities ({dtype}) of {len(class_names)} BIO tags, "
            f"{', '.join(class_names)}, in the order of `labels.txt` inside the file. The first "
            "piece of a word speaks for it."
        )

    def limits(self) -> str:
        return "It knows entities of these types only, and of a long text it sees the beginning."

    def metadata(self) -> Described:
        return "probability", "Probability of each tag, for each token id.", (0.0, 1.0)

    def agreement(self, before: Found, after: Found) -> float:
        """F1 of the entities of one against those of the other; 1 where neither finds any."""
        one, other = _places(before), _places(after)
        return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0

    def golden(
        self,
        folder: Path,
        stem: str,
        row: np.ndarray,
        example: Any,
        preprocessing: Any,
        class_names: Sequence[str],
    ) -> dict[str, Any]:
        from kfine.evaluation import read_taggings

        (tagging,) = read_taggings(self.logits(row[None]), [example], preprocessing, class_names)
        return {"entities": tagging.entities(), **_written(folder, stem, row)}


class Spans(Inside):
    """The scores of each piece to be the first and the last of an answer."""

    name = "scores"
    axes = "pieces, 2"
    softmax = False
    recipe = "question_answering"
    programs = "_spans"
    right = "exact match"
    same = "same answer"
    row = "a row"

    def labels(self, class_names: Sequence[str]) -> tuple[str, ...]:
        return ("start", "end")

    def facts(self, class_names: Sequence[str]) -> dict[str, Any]:
        return {"outcomes": list(class_names)}

    def class_names(self, labels: Sequence[str], facts: Any) -> tuple[str, ...]:
        stated = facts.get("outcomes")
        return tuple(map(str, stated)) if isinstance(stated, list) else ("answer",)

    def purpose(self, subject: str, class_names: Sequence[str], *, counted: bool = False) -> str:
        none = ", or says that there is none" if "no answer" in class_names else ""
        return f"Answers questions with a passage of a text{none}."

    def words(self, class_names: Sequence[str], dtype: str) -> str:
        none = ""
        if "no answer" in class_names:
            none = " There is no answer where the start token has the larger sum."
        return (
            f"for each token id two scores ({dtype}): of being the first and the last piece of the "
            f"answer, which is the span of the text with the largest sum.{none}"
        )

    def limits(self) -> str:
        return "It answers with what stands in the text, whether that is true or not."

    def metadata(self) -> Described:
        return "score", "Scores of being the answer's first and last piece, for each id.", None

    def agreement(self, before: Found, after: Found) -> float:
        """Share of questions with the same answer."""
        pairs = zip(before, after, strict=True)
        return float(np.mean([_places([a]) == _places([b]) for a, b in pairs]))

    def golden(
        self,
        folder: Path,
        stem: str,
        row: np.ndarray,
        example: Any,
        preprocessing: Any,
        class_names: Sequence[str],
    ) -> dict[str, Any]:
        may_be_none = "no answer" in class_names
        (answer,) = preprocessing.answers(row[None], [example], may_be_none=may_be_none)
        found = {"text": answer.text, "start": answer.start, "end": answer.end}
        return {"answer": found if answer.text else None, **_written(folder, stem, row)}


CLASSES = Classes()
# Kind of a preprocessing -> what a model behind it answers.
_OUTPUTS: dict[str, Output] = {"texts": CLASSES, "tokens": Tags(), "windows": Spans()}


def output_of(kind: Any) -> Output:
    """The output of a file whose preprocessing is of some kind; classes where it states none."""
    return _OUTPUTS.get(str(kind), CLASSES)


def _places(found: Found) -> set[tuple[int, Any, int, int]]:
    """What was found without how sure the model is: example, type, start, end."""
    return {
        (number, one.get("type"), one["start"], one["end"])
        for number, of_example in enumerate(found)
        for one in of_example
    }


def _written(folder: Path, stem: str, row: np.ndarray) -> dict[str, Any]:
    """Write the values themselves, which are too many for `golden.json`."""
    values = row[None].astype(np.float32)
    np.save(folder / f"{stem}.output.npy", values)
    (folder / f"{stem}.output.bin").write_bytes(values.tobytes())
    return {"output": f"{stem}.output.npy", "output_bytes": f"{stem}.output.bin"}
