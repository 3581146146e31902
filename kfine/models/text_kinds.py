"""Preprocessing of texts whose answers stand inside them: tagged tokens, and spans of contexts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kfine.data.pipeline import Lengths
from kfine.data.text.alignment import (
    PieceRows,
    SpannedText,
    align_labels,
    encode_tokens,
    join_tokens,
)
from kfine.data.text.windows import Windows, make_windows
from kfine.data.tokenizers.from_preset import read_files
from kfine.models.text_preprocessing import FOLDER, TextPreprocessing


@dataclass(frozen=True)
class TokenPreprocessing(TextPreprocessing):
    """Texts in tokens, each of which gets a tag of its own.

    A text is a `TaggedText`, or a `SpannedText` where nobody knows the tags.
    """

    kind = "tokens"

    def pieces(self, texts: Iterable[Any]) -> PieceRows:
        """The word pieces of texts, and the token that each is of."""
        return encode_tokens(self.tokenizer, [_spanned(one) for one in texts], self.sequence_length)

    def rows(self, texts: Iterable[Any]) -> dict[str, np.ndarray]:
        """Tokenize: name of a model's input -> int32 `(texts, sequence length)`."""
        return self._named(self.pieces(texts))

    def targets(self, texts: Sequence[Any], names: Sequence[str]) -> np.ndarray:
        """The tag of each piece, int32 `(texts, sequence length)`; -1 where there is none."""
        return align_labels(self.pieces(texts), [one.tags for one in texts], names)

    def lengths(self, rows: dict[str, np.ndarray]) -> Lengths:
        """How many pieces each row uses; the targets are as long."""
        return replace(super().lengths(rows), targets=True)

    def count(self, text: Any) -> int:
        """Pieces of a text, special tokens included, before it is cut."""
        return super().count(_spanned(text).text)


def _spanned(text: Any) -> SpannedText:
    return text if isinstance(text, SpannedText) else join_tokens(text.tokens)


@dataclass(frozen=True)
class WindowPreprocessing(TextPreprocessing):
    """Questions with their contexts, in overlapping windows: a question has one row or more.

    Attributes:
        stride: Pieces of the context between the beginnings of two windows.
    """

    stride: int = 128

    kind = "windows"

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

    def count(self, question: Any) -> int:
        """Pieces of a question and its context, special tokens included."""
        return super().count((question.question, question.context))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        return {**super().to_dict(), "stride": self.stride}

    @classmethod
    def read(cls, values: dict[str, Any], run: Path) -> WindowPreprocessing:
        """Read what `to_dict` described and `save` wrote into a run folder."""
        return cls(read_files(run / FOLDER), tuple(values["inputs"]), int(values["stride"]))


KINDS: dict[str, type[TextPreprocessing]] = {
    one.kind: one for one in (TextPreprocessing, TokenPreprocessing, WindowPreprocessing)
}
