"""The passage of a text that answers a question, or that there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.answers import Answer, Targets, Trivial
from kfine.answers.score import Score
from kfine.answers.spans.best import Passage, best_answers
from kfine.answers.spans.score import answer_metrics, answer_scores, first_sentence
from kfine.inputs import Mistake
from kfine.inputs.places import Places, WindowPlaces

if TYPE_CHECKING:
    from kfine.answers.spans.device import SpansOnDevice

OUTPUT = "span"
SCORES = "scores"
NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Spans:
    """Passages: labels are the true texts, none where there is no answer; predictions `Passage`s.

    Attributes:
        names: `answer` and, where a question may have none, `no answer`.
        longest: Pieces of the longest answer.
        label_smoothing: Share of the target that is spread evenly over all positions.
    """

    names: tuple[str, ...] = ("answer",)
    longest: int = 30
    label_smoothing: float = field(default=0.0, compare=False)

    kind: ClassVar[str] = "spans"
    needs: ClassVar[type[Places] | None] = WindowPlaces
    moves: ClassVar[Mapping[str, str]] = {}
    primary = "f1"
    direction = "max"
    watched = "accuracy"
    called = "answers"
    probes = False

    def unknown(self, label: Any) -> Iterable[str]:
        """Any text may be an answer."""
        return ()

    @property
    def may_be_none(self) -> bool:
        """Whether a question may have no answer."""
        return NO_ANSWER in self.names

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """First and last piece of each window's answer, int32 `(windows, 2)`; 0 for none."""
        assert isinstance(places, WindowPlaces)
        windows = places.windows
        return Targets({OUTPUT: np.stack([windows.starts, windows.ends], axis=1)})

    def losses(self) -> dict[str, Any]:
        """Cross-entropy of the first and of the last piece."""
        from kfine.answers.losses import SpanLoss

        return {OUTPUT: SpanLoss(self.label_smoothing)}

    def metrics(self) -> dict[str, list[Any]]:
        """Share of windows whose answer is found."""
        from kfine.answers.losses import SpanAccuracy

        return {OUTPUT: [SpanAccuracy(name="accuracy")]}

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The scores as they are, float32."""
        import keras

        return {SCORES: keras.ops.cast(outputs[OUTPUT], "float32")}

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[Passage]:
        """The best span of each question over all its windows; empty where there is none."""
        assert isinstance(places, WindowPlaces)
        scores = np.asarray(finished[SCORES])
        both = scores[..., 0], scores[..., 1]
        found = best_answers(places.windows, list(places.questions), *both, self.longest)
        if not self.may_be_none:
            return found
        return [replace(one, text="", start=0, end=0) if one.gap > 0 else one for one in found]

    def settle(self, prediction: Any) -> tuple[str, ...]:
        """The text, or none."""
        text = prediction.text if isinstance(prediction, Passage) else prediction
        return (text,) if text else ()

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Exact match and F1, as SQuAD's script has them; see `answer_metrics`."""
        said = [_text(one) for one in predictions]
        found = answer_metrics(said, labels)
        found.pop("count")
        tables = {
            name: found.pop(name) for name in ("exact_match_interval", "has_answer", "no_answer")
        }
        each = [answer_scores(one, true)[1] for one, true in zip(said, labels, strict=True)]
        return Score(found, np.array(each, np.float64), tables)

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """The first sentence of the context, or nothing if that scores higher in training."""
        sentences = sum(
            answer_scores(first_sentence(one.context), true)[1]
            for one, true in zip(examples, labels, strict=True)
        )
        silent = sum(not true for true in labels) > sentences
        return Trivial(
            "first_sentence",
            lambda examples: ["" if silent else first_sentence(one.context) for one in examples],
            {"answer": "nothing" if silent else "first sentence"},
        )

    def probe(self, *arguments: Any) -> tuple[Sequence[Any], dict[str, Any]]:
        """There is no linear model of pieces: the head is trained alone."""
        raise NotImplementedError

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """The answer with its place in the context, in characters; nothing where there is none."""
        if not isinstance(prediction, Passage) or not prediction.text:
            return []
        return [
            {
                "text": prediction.text,
                "start": prediction.start,
                "end": prediction.end,
                "score": round(prediction.score, 4),
            }
        ]

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """What is answered, and the true answers."""
        return {"label": list(label), "prediction": self.describe(prediction)}

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake] | None:
        """Scores of answers are no probabilities, so there is no list."""
        return None

    def draw(self, folder: Path, score: Score) -> None:
        """There is no picture."""

    def to_dict(self) -> dict[str, Any]:
        """Outcomes, and how long an answer may be."""
        return {"kind": self.kind, "names": list(self.names), "longest": self.longest}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Spans:
        """Read what `to_dict` gave."""
        longest = values["longest"]
        if type(longest) is not int or not 1 <= longest <= 8192:
            raise ValueError(f"its longest answer has {longest!r} pieces")
        return cls(tuple(map(str, values["names"])), longest)

    def device(self) -> SpansOnDevice:
        """Scores of being the first and the last piece."""
        from kfine.answers.spans.device import SpansOnDevice

        return SpansOnDevice(self)


def _text(prediction: Any) -> str:
    """What is answered: of a prediction, of a text, or of true texts in their place."""
    if isinstance(prediction, (list, tuple)):
        return str(prediction[0]) if prediction else ""
    return prediction.text if isinstance(prediction, Passage) else str(prediction)


_: type[Answer] = Spans
