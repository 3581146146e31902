"""A language model's tokens: from text to their numbers and back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

LIBRARY, PIECES = "tokenizers", "sentencepiece"


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer that its own library reads.

    Attributes:
        kind: "tokenizers" or "sentencepiece".
        content: Its JSON, or its SentencePiece model.
        start: The token that texts begin with, if the model was trained with one.
        end: The token behind the end of a text.
    """

    kind: str
    content: bytes = field(repr=False)
    start: str | None
    end: str

    FILES: ClassVar[dict[str, str]] = {LIBRARY: "tokenizer.json", PIECES: "tokenizer.model"}

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """The numbers of the tokens of a text.

        Args:
            text: The text.
            special: Whether tokens with a meaning, such as that of the end, are read as such;
                otherwise they are letters like all others.
        """
        if self.kind == LIBRARY:
            found = self._special if special else self._plain
            return list(found.encode(text, add_special_tokens=False).ids)
        marks = [one for one in (self.start, self.end) if one]
        parts = re.split("(" + "|".join(map(re.escape, marks)) + ")", text) if special else [text]
        numbers: list[int] = []
        for part in filter(None, parts):
            known = special and part in marks
            numbers += [self.number(part)] if known else list(self._pieces.encode(part))
        return numbers

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of tokens; those with a meaning, and numbers of none, are left out."""
        known = [int(one) for one in numbers if 0 <= one < self.size]
        if self.kind == LIBRARY:
            return str(self._special.decode(known, skip_special_tokens=True))
        return str(self._pieces.decode([one for one in known if not self._pieces.IsControl(one)]))

    def number(self, token: str) -> int:
        """The number of a token.

        Raises:
            ValueError: There is none.
        """
        if self.kind == LIBRARY:
            found = self._special.token_to_id(token)
        else:
            found = self._pieces.PieceToId(token)
            found = None if self._pieces.IdToPiece(found) != token else found
        if found is None:
            raise ValueError(f"the tokenizer has no token {token!r}")
        return int(found)

    def knows(self, token: str) -> bool:
        """Whether there is such a token."""
        try:
            self.number(token)
        except ValueError:
            return False
        return True

    @property
    def size(self) -> int:
        """How many tokens there are."""
        if self.kind == LIBRARY:
            return int(self._special.get_vocab_size(with_added_tokens=True))
        return int(self._pieces.GetPieceSize())

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def _special(self) -> Any:
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.content.decode())

    @cached_property
    def _plain(self) -> Any:
        from tokenizers import Tokenizer

        found = Tokenizer.from_str(self.content.decode())
        found.encode_special_tokens = True
        return found

    @cached_property
    def _pieces(self) -> Any:
        from sentencepiece import SentencePieceProcessor

        return SentencePieceProcessor(model_proto=self.content)


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """The vocabulary of a KerasHub tokenizer of a causal language model.

    Its numbers are those of the tokenizer when it is called outside of `tf.data`, where KerasHub
    splits a few texts in another way.

    Raises:
        ValueError: It is of another kind.
    """
    start = getattr(tokenizer, "start_token", None)
    end = str(tokenizer.end_token)
    if hasattr(tokenizer, "proto") and tokenizer.proto:
        return Vocabulary(PIECES, bytes(tokenizer.proto), start, end)
    # Made at the first call.
    tokenizer("x")
    library = getattr(tokenizer, "_tokenizer", None)
    if library is None:
        raise ValueError(f"{type(tokenizer).__name__} is of no kind that is known")
    return Vocabulary(LIBRARY, library.to_str().encode(), start, end)
