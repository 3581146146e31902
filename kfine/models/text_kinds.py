"""Preprocessing of texts whose answers stand inside them: tagged tokens, and spans of contexts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kfine.data.lengths import Lengths
from kfine.data.text.alignment import (
    PieceRows,
    SpannedText,
    align_labels,
    encode_tokens,
    join_tokens,
    split_words,
)
from kfine.data.text.spans import Answer, best_answers
from kfine.data.text.squad import Question
from kfine.data.text.tagged import TaggedText
from kfine.data.text.windows import LONGEST_QUESTION, Windows, make_windows
from kfine.data.tokenizers.from_preset import read_files
from kfine.models.text_preprocessing import FOLDER, TextPreprocessing


@dataclass(frozen=True)
class TokenPreprocessing(TextPreprocessing):
    """Texts in tokens, each of which gets a tag of its own.

    A text is a `TaggedText`, or a plain one, which is divided as `split_words` does.
    """

    kind = "tokens"
    wanted = "A text to predict must be a str or a TaggedText"

    def takes(self, example: Any) -> bool:
        """Whether something is a text, or one in tokens."""
        return isinstance(example, (str, SpannedText, TaggedText))

    def portable(self, example: Any) -> str:
        """The plain text, whose tokens are words again."""
        return self.spanned(example).text

    @staticmethod
    def spanned(text: Any) -> SpannedText:
        """A text with the places of its tokens."""
        if isinstance(text, str):
            return split_words(text)
        return text if isinstance(text, SpannedText) else join_tokens(text.tokens)

    def pieces(self, texts: Iterable[Any]) -> PieceRows:
        """The word pieces of texts, and the token that each is of."""
        spanned = [self.spanned(one) for one in texts]
        return encode_tokens(self.tokenizer, spanned, self.sequence_length)

    def rows(self, texts: Iterable[Any]) -> dict[str, np.ndarray]:
        """Tokenize: name of a model's input -> int32 `(texts, sequence length)`."""
        return self._named(self.pieces(texts))

    def targets(self, texts: Sequence[Any], names: Sequence[str]) -> np.ndarray:
        """The tag of each piece, int32 `(texts, sequence length)`; -1 where there is none."""
        return align_labels(self.pieces(texts), [one.tags for one in texts], names)

    def lengths(self, rows: dict[str, np.ndarray]) -> Lengths | None:
        """How many pieces each row uses; the targets are as long."""
        found = super().lengths(rows)
        return found and replace(found, targets=True)

    def count(self, text: Any) -> int:
        """Pieces of a text, special tokens included, before it is cut."""
        return super().count(self.spanned(text).text)


@dataclass(frozen=True)
class WindowPreprocessing(TextPreprocessing):
    """Questions with their contexts, in overlapping windows: a question has one row or more.

    Attributes:
        stride: Pieces of the context between the beginnings of two windows.
        longest_answer: Pieces of the longest answer.
    """

    stride: int = 128
    longest_answer: int = 30

    kind = "windows"
    wanted = "A question to predict must be a Question with its context"
    row = "one question and a window of its context"
    longer = (
        "a longer context takes several rows, whose windows overlap, and the best span of them all "
        "is the answer"
    )

    def takes(self, example: Any) -> bool:
        """Whether something is a question with its context."""
        return isinstance(example, Question)

    def portable(self, question: Question) -> Question:
        """The question with as many words of its context as one row holds."""
        windows = self.windows([question])
        if len(windows) == 1:
            return question
        words = question.context[: windows.piece_spans(0)[-1, 1]].rsplit(maxsplit=1)
        return replace(question, context=words[0])

    def stated(self, question: Question) -> dict[str, Any]:
        """Question and context."""
        return {"question": question.question, "context": question.context}

    def program_values(self) -> dict[str, Any]:
        """How long question and answer are at most, in pieces."""
        return {"longest_answer": self.longest_answer, "longest_question": LONGEST_QUESTION}

    def windows(self, questions: Iterable[Any]) -> Windows:
        """The windows of `Question`s."""
        return make_windows(self.tokenizer, list(questions), self.sequence_length, self.stride)

    def rows(self, questions: Iterable[Any]) -> dict[str, np.ndarray]:
        """Tokenize: name of a model's input -> int32 `(windows, sequence length)`."""
        return self._named(self.windows(questions))

    def targets(self, questions: Iterable[Any]) -> np.ndarray:
        """First and last piece of each window's answer, int32 `(windows, 2)`; 0 for none."""
        windows = self.windows(questions)
        return np.stack([windows.starts, windows.ends], axis=1)

    def answers(
        self, outputs: np.ndarray, questions: Sequence[Any], *, may_be_none: bool
    ) -> list[Answer]:
        """The best answer to each question.

        Args:
            outputs: float `(windows, pieces, 2)`, logits of the first and the last piece.
            questions: What `rows` was given.
            may_be_none: Whether there is no answer where the start token scores higher; such an
                answer is empty.
        """
        windows = self.windows(questions)
        scores = outputs[..., 0], outputs[..., 1]
        found = best_answers(windows, list(questions), *scores, self.longest_answer)
        if not may_be_none:
            return found
        return [replace(one, text="", start=0, end=0) if one.gap > 0 else one for one in found]

    def count(self, question: Any) -> int:
        """Pieces of a question and its context, special tokens included."""
        return super().count((question.question, question.context))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        return {
            **super().to_dict(),
            "stride": self.stride,
            "longest_answer": self.longest_answer,
        }

    @classmethod
    def read(cls, values: dict[str, Any], run: Path) -> WindowPreprocessing:
        """Read what `to_dict` described and `save` wrote into a run folder."""
        numbers = (int(values[name]) for name in ("stride", "longest_answer"))
        return cls(read_files(run / FOLDER), tuple(values["inputs"]), *numbers)


KINDS: dict[str, type[TextPreprocessing]] = {
    one.kind: one for one in (TextPreprocessing, TokenPreprocessing, WindowPreprocessing)
}
