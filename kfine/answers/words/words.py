"""What was said, as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.answers import Answer, Targets, Trivial
from kfine.answers.said import (
    CONFIDENCE,
    NO_TOKEN,
    TOKENS,
    exact_floats,
    most_frequent,
    token_losses,
    token_metrics,
    token_rows,
)
from kfine.answers.score import Score
from kfine.answers.words.byte_pairs import BytePairs
from kfine.answers.words.score import normalized, word_score
from kfine.errors import DataError
from kfine.inputs import Mistake
from kfine.inputs.places import Places, SoundPlaces

if TYPE_CHECKING:
    from kfine.answers.words.device import WordsOnDevice

OUTPUT = "token"
# Of Whisper's decoder, which has room for as many before a transcript.
MOST = 224
MOST_BEAMS = 16


@dataclass(frozen=True)
class Transcript:
    """What a model heard.

    Attributes:
        text: The words.
        probability: The geometric mean of the probabilities of its tokens, 0 to 1.
    """

    text: str
    probability: float


@dataclass(frozen=True)
class Words:
    """Texts: labels are strings, predictions `Transcript`s.

    A model learns to say the next token of a text of which it is told the beginning; to answer, it
    says one token after the other.

    Attributes:
        pairs: The vocabulary.
        start: Tokens that every text begins with.
        end: The token behind its end; those above it are never said.
        longest: Tokens of the longest text, the end included.
        beams: Texts that are followed at a time, of which the likeliest is said.
        label_smoothing: Share of the target that is spread evenly over all tokens.
    """

    pairs: BytePairs = field(repr=False)
    start: tuple[int, ...]
    end: int
    longest: int
    beams: int = 1
    label_smoothing: float = field(default=0.0, compare=False)

    kind: ClassVar[str] = "words"
    needs: ClassVar[type[Places] | None] = SoundPlaces
    moves: ClassVar[Mapping[str, str]] = {}
    primary = "word_error_rate"
    direction = "min"
    watched = "accuracy"
    names: ClassVar[tuple[str, ...]] = ()
    called = "words"
    probes = False
    pretrained = True

    def unknown(self, label: Any) -> Iterable[str]:
        """Any text can be written in bytes."""
        return ()

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """The tokens of each text, its start and its end, int32 `(rows, tokens)`; -1 behind them.

        Raises:
            DataError: A text is longer than `longest`, or its recording than a window.
        """
        if len(places.owner) != len(labels):
            raise DataError(
                f"{len(places.owner) - len(labels)} recordings are longer than what is heard at a "
                "time: their words cannot be told apart by window. Cut them with the columns "
                "start and end of a manifest, or give more seconds"
            )
        found = [[*self.start, *self.pairs.encode(one), self.end] for one in labels]
        for tokens, label in zip(found, labels, strict=True):
            if len(tokens) > len(self.start) + self.longest:
                raise DataError(
                    f"a text of {len(tokens) - len(self.start)} tokens is longer than the longest, "
                    f"{self.longest}: {label[:60]!r}. Give more with longest, at most {MOST}"
                )
        return Targets({OUTPUT: token_rows(found)})

    def target(self, rows: Any) -> Any:
        """The token that follows on each; -1 where that is no part of the text."""
        import tensorflow as tf

        behind = rows[:, 1:]
        told = len(self.start) - 1
        return tf.concat([tf.fill(tf.shape(behind[:, :told]), NO_TOKEN), behind[:, told:]], axis=1)

    @property
    def fed(self) -> dict[str, Callable[[Any], Any]]:
        """The tokens so far."""
        import tensorflow as tf

        return {
            TOKENS: lambda rows: tf.where(rows[:, :-1] == NO_TOKEN, self.end, rows[:, :-1]),
        }

    @property
    def generation(self) -> dict[str, Any]:
        """The likeliest token, one after the other, or the likeliest of some texts."""
        space = self.pairs.space
        return {
            "start": self.start,
            "end": self.end,
            "never_first": [self.end] if space is None else [space, self.end],
            "longest": self.longest,
            "beams": self.beams,
        }

    def losses(self) -> dict[str, Any]:
        """Cross-entropy of the tokens."""
        return token_losses(OUTPUT, self.label_smoothing)

    def metrics(self) -> dict[str, list[Any]]:
        """Share of the tokens that are the likeliest, the ones before them given."""
        return token_metrics(OUTPUT)

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers of tokens as float32, which is exact, as all that leaves a file."""
        return exact_floats(outputs)

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[Transcript]:
        """The texts of all windows of an example, one after the other."""
        rows = np.asarray(finished[TOKENS]).astype(np.int64)
        sure = np.asarray(finished[CONFIDENCE], np.float64)
        texts: dict[int, list[str]] = {int(one): [] for one in places.owner}
        for owner, row in zip(places.owner, rows, strict=True):
            texts[int(owner)].append(self.pairs.decode(self.said(row.tolist())))
        found = []
        for number in sorted(texts):
            mine = sure[places.owner == number]
            words = " ".join(filter(None, texts[number]))
            found.append(Transcript(words, float(np.exp(np.log(np.maximum(mine, 1e-9)).mean()))))
        return found

    def said(self, tokens: list[int]) -> list[int]:
        """The tokens before the end."""
        return tokens[: tokens.index(self.end)] if self.end in tokens else tokens

    def settle(self, prediction: Any) -> str:
        """The text."""
        return _text(prediction)

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Error rates of words and letters; see `word_score`."""
        return word_score([_text(one) for one in predictions], labels)

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """What was said most often."""
        return most_frequent(map(normalized, labels))

    def probe(self, *arguments: Any) -> tuple[Sequence[Any], dict[str, Any]]:
        """There is no linear model of words: the untuned model answers too."""
        raise NotImplementedError

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """The text and how sure it is."""
        return [{"text": prediction.text, "probability": prediction.probability}]

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """What was said and what was heard."""
        return {
            "label": label,
            "prediction": _text(prediction),
            "right": normalized(_text(prediction)) == normalized(label),
        }

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake] | None:
        """Texts with a wrong word, the most wrong words first."""
        found = [
            Mistake(number, label, one.text, one.probability)
            for number, (one, label) in enumerate(zip(predictions, labels, strict=True))
            if normalized(one.text) != normalized(label)
        ]
        each: Any = word_score([_text(one) for one in predictions], labels).each if found else ()
        return sorted(found, key=lambda one: (each[one.index], -one.probability, one.index))

    def draw(self, folder: Any, score: Score) -> None:
        """There are figures, and no picture."""

    def to_dict(self) -> dict[str, Any]:
        """The vocabulary and what every text begins and ends with."""
        return {
            "kind": self.kind,
            "start": list(self.start),
            "end": self.end,
            "longest": self.longest,
            "beams": self.beams,
            "vocabulary": self.pairs.packed(),
        }

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Words:
        """Read what `to_dict` gave.

        Raises:
            ValueError: A size is absurd.
        """
        import zlib

        longest, end, beams = (int(values[name]) for name in ("longest", "end", "beams"))
        if not 0 < longest <= MOST or not 0 < beams <= MOST_BEAMS:
            raise ValueError(f"it says {longest} tokens at most, in {beams} beams")
        try:
            pairs = BytePairs.unpacked(str(values["vocabulary"]))
        except zlib.error as error:
            raise ValueError(f"its vocabulary is damaged ({error})") from None
        return cls(pairs, tuple(map(int, values["start"])), end, longest, beams)

    def device(self) -> WordsOnDevice:
        """Tokens and how sure they are."""
        from kfine.answers.words.device import WordsOnDevice

        return WordsOnDevice(self)


def _text(prediction: Any) -> str:
    return prediction.text if isinstance(prediction, Transcript) else str(prediction)


_: type[Answer] = Words
