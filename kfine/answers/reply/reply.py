"""Replies of a language model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.answers import Answer, Targets, Trivial
from kfine.answers.reply.score import reply_score, rouge_l
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
from kfine.inputs import Mistake
from kfine.inputs.places import Places, PromptPlaces

if TYPE_CHECKING:
    from kfine.answers.reply.device import ReplyOnDevice
    from kfine.inputs.prompt.prompt import Prompt

OUTPUT = "reply_ids"
MOST = 4096
# What is chosen at most, where nothing is said.
USUAL = 256
LEAST = 16
# Rows of a batch are trimmed to multiples of this.
_STEP = 8


@dataclass(frozen=True)
class Written:
    """What a model wrote.

    Attributes:
        text: The reply.
        probability: The geometric mean of the probabilities of its tokens, 0 to 1.
        finished: Whether it came to an end, rather than to the number of tokens that it may have.
        tokens: Of which it was made, the one that ends it included.
    """

    text: str
    probability: float
    finished: bool = True
    tokens: tuple[int, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Reply:
    """Texts that follow on prompts: labels are strings, predictions `Written`.

    A model learns the next token of a reply of which it is told the beginning; nothing is learned
    of the prompt. To answer, it writes the likeliest token, one after the other.

    Attributes:
        ends: Tokens any of which ends a reply; the first is learned.
        longest: Tokens of the longest reply, the end included; longer ones are learned without
            what is behind.
        label_smoothing: Share of the target that is spread evenly over all tokens.
    """

    ends: tuple[int, ...]
    longest: int
    label_smoothing: float = field(default=0.0, compare=False)

    kind: ClassVar[str] = "reply"
    needs: ClassVar[type[Places] | None] = PromptPlaces
    moves: ClassVar[Mapping[str, str]] = {}
    primary = "rouge_l"
    direction = "max"
    watched = "accuracy"
    names: ClassVar[tuple[str, ...]] = ()
    called = "replies"
    probes = False
    pretrained = True

    def unknown(self, label: Any) -> Iterable[str]:
        """Any text can be written."""
        return ()

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """The tokens of each reply and its end, int32 `(rows, tokens)`; -1 behind them."""
        assert isinstance(places, PromptPlaces)
        found = [self.tokens(one, places.vocabulary) for one in labels]
        return Targets({OUTPUT: token_rows(found)})

    def tokens(self, reply: str, vocabulary: Any) -> list[int]:
        """The tokens of a reply and its end, as many as are learned."""
        return [*vocabulary.encode(reply), self.ends[0]][: self.longest]

    def target(self, rows: Any) -> Any:
        """The tokens, without what is padding in the whole batch."""
        return _trimmed(rows)

    @property
    def fed(self) -> dict[str, Callable[[Any], Any]]:
        """The tokens so far: what follows on each is what is learned of it."""
        import tensorflow as tf

        return {OUTPUT: lambda rows: tf.maximum(_trimmed(rows), 0)}

    @property
    def generation(self) -> dict[str, Any]:
        """The likeliest token, one after the other."""
        return {"ends": self.ends, "longest": self.longest}

    def losses(self) -> dict[str, Any]:
        """Cross-entropy of the tokens of replies."""
        return token_losses(OUTPUT, self.label_smoothing)

    def metrics(self) -> dict[str, list[Any]]:
        """Share of the tokens that are the likeliest, the ones before them given."""
        return token_metrics(OUTPUT)

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers of tokens as float32, which is exact, as all that leaves a file."""
        return exact_floats(outputs)

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[Written]:
        """The text of each reply."""
        assert isinstance(places, PromptPlaces)
        rows = np.asarray(finished[TOKENS]).astype(np.int64)
        sure = np.asarray(finished[CONFIDENCE], np.float64)
        found = []
        for row, one in zip(rows.tolist(), sure, strict=True):
            ended = self.ends[0] in row
            said = row[: row.index(self.ends[0])] if ended else row
            text = places.vocabulary.decode(said).strip()
            tokens = (*said, self.ends[0]) if ended else tuple(said)
            found.append(Written(text, float(one), ended, tokens))
        return found

    def settle(self, prediction: Any) -> str:
        """The text."""
        return _text(prediction)

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """How near replies are to those that were wanted; see `reply_score`."""
        unfinished = [isinstance(one, Written) and not one.finished for one in predictions]
        return reply_score([_text(one) for one in predictions], list(labels), unfinished)

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """The reply that is given most often."""
        return most_frequent(labels)

    def probe(self, *arguments: Any) -> tuple[Sequence[Any], dict[str, Any]]:
        """There is no linear model of replies: the untuned model replies too."""
        raise NotImplementedError

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """The text and how sure it is."""
        return [{"text": prediction.text, "probability": prediction.probability}]

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """What was wanted and what was written."""
        text = _text(prediction)
        return {"label": label, "prediction": text, "rouge_l": rouge_l(text, label)}

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake] | None:
        """Replies that are not the one that was wanted, the farthest first."""
        found = [
            Mistake(number, label, one.text, one.probability)
            for number, (one, label) in enumerate(zip(predictions, labels, strict=True))
            if one.text.strip() != label.strip()
        ]
        return sorted(
            found, key=lambda one: (rouge_l(one.prediction, one.label), -one.probability, one.index)
        )

    def draw(self, folder: Any, score: Score) -> None:
        """There are figures, and no picture."""

    def to_dict(self) -> dict[str, Any]:
        """The ends and the length of replies."""
        return {"kind": self.kind, "ends": list(self.ends), "longest": self.longest}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Reply:
        """Read what `to_dict` gave.

        Raises:
            ValueError: A size is absurd.
        """
        longest, ends = int(values["longest"]), tuple(map(int, values["ends"]))
        if not 0 < longest <= MOST or not ends or min(ends) < 0:
            raise ValueError(f"it says {longest} tokens at most, which end with {list(ends)}")
        return cls(ends, longest)

    def device(self) -> ReplyOnDevice:
        """Tokens and how sure they are."""
        from kfine.answers.reply.device import ReplyOnDevice

        return ReplyOnDevice(self)


def reply_for(
    prompt: Prompt, replies: Sequence[str], longest: int | None, label_smoothing: float = 0.0
) -> tuple[Reply, str, list[str]]:
    """The answer to prompts, of a length that suits the replies to learn from.

    Args:
        prompt: With tokens and template.
        replies: To learn from.
        longest: Tokens of the longest; what 99 of 100 have, at most 256, if `None`.
        label_smoothing: As in `Reply`.

    Returns:
        The answer, what was chosen in words, and what the user should hear of.
    """
    counts = [len(prompt.vocabulary.encode(one)) + 1 for one in replies]
    if longest is None:
        wanted = int(np.percentile(counts, 99, method="higher"))
        longest = min(USUAL, max(LEAST, -(-wanted // _STEP) * _STEP))
    cut = [number for number, one in enumerate(counts) if one > longest]
    words = f"{longest} tokens: {len(cut)} of {len(counts)} replies are learned without their end"
    warnings = []
    if cut:
        first = replies[cut[0]][:60]
        warnings.append(
            f"{len(cut)} of {len(counts)} replies are longer than {longest} tokens and are learned "
            f"without their end, such as {first!r}; longest takes more"
        )
    ends = prompt.template.ends(prompt.vocabulary)
    return Reply(ends, longest, label_smoothing), words, warnings


def _trimmed(rows: Any) -> Any:
    import tensorflow as tf

    used = tf.reduce_max(tf.reduce_sum(tf.cast(rows != NO_TOKEN, tf.int32), axis=1))
    return rows[:, : -(-used // _STEP) * _STEP]


def _text(prediction: Any) -> str:
    return prediction.text if isinstance(prediction, Written) else str(prediction)


_: type[Answer] = Reply
