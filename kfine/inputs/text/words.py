"""Texts in words to rows of word pieces, and the word that each piece is of."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kfine.errors import DataError
from kfine.inputs.text.tokenizers import Token, Tokenizer

_WORD = re.compile(r"https?://\S+|[@#]?\w+|[^\w\s]")


@dataclass(frozen=True)
class SpannedText:
    """A text and where its tokens stand in it.

    Attributes:
        text: The text that is given to the tokenizer.
        spans: `text[start:end]` of each token, in characters, from left to right.
    """

    text: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PieceRows:
    """Texts as a token classifier takes them; one row a text, one column a word piece.

    Attributes:
        token_ids: int32 `(texts, pieces)`, the word pieces with special tokens and padding.
        padding_mask: bool `(texts, pieces)`, False for padding.
        segment_ids: int32 `(texts, pieces)`, all 0; None for models that take none.
        owners: int32 `(texts, pieces)`: the number of the token that a piece is of; -1 for special
            tokens, padding, and pieces that stand for white space between tokens.
        token_counts: int32 `(texts,)`, how many tokens each text has.
        cut_counts: int32 `(texts,)`, how many of them did not fit.
        pieceless_counts: int32 `(texts,)`, how many of them have no piece in any length, such as
            a token of control characters.
    """

    token_ids: NDArray[np.int32]
    padding_mask: NDArray[np.bool_]
    segment_ids: NDArray[np.int32] | None
    owners: NDArray[np.int32]
    token_counts: NDArray[np.int32]
    cut_counts: NDArray[np.int32]
    pieceless_counts: NDArray[np.int32]

    @property
    def first_pieces(self) -> NDArray[np.bool_]:
        """bool `(texts, pieces)`: True at the first piece of each token."""
        before = np.pad(self.owners[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
        # Not only where it changes: white space may stand between two pieces of one token.
        furthest = np.maximum.accumulate(before, axis=1)
        return self.owners > furthest


def join_tokens(tokens: Sequence[str]) -> SpannedText:
    """The tokens with a single space between each two, and where each stands."""
    spans = []
    place = 0
    for token in tokens:
        spans.append((place, place + len(token)))
        place += len(token) + 1
    return SpannedText(" ".join(tokens), tuple(spans))


def split_words(text: str) -> SpannedText:
    """The words of a plain text: letters and digits with a mark before them, single signs.

    `@anna's` gives `@anna`, `'` and `s`; addresses of the web stay whole.
    """
    return SpannedText(text, tuple(match.span() for match in _WORD.finditer(text)))


def spanned(example: Any) -> SpannedText:
    """A text with the places of its words: those that it comes in, or as `split_words` does.

    Raises:
        DataError: It is no text, or two.
    """
    if isinstance(example, str):
        return split_words(example)
    if isinstance(example, SpannedText):
        return example
    if not hasattr(example, "tokens"):
        raise DataError(
            f"A text to tag must be a str or a TaggedText; received {type(example).__name__}."
        )
    return join_tokens(example.tokens)


def encode_tokens(
    tokenizer: Tokenizer, texts: Sequence[SpannedText], sequence_length: int
) -> PieceRows:
    """Cut texts into word pieces and find the token that each piece is of.

    A piece belongs to the first token that it shares a character with. The text is tokenized as
    a whole, as it would be without tokens, so that byte-level pieces keep the space before them.

    Args:
        tokenizer: Plain-Python tokenizer of the model.
        texts: What `join_tokens` gives, or a text with spans of one's own.
        sequence_length: Pieces of a row with special tokens and padding; more are cut off.

    Raises:
        ValueError: The special tokens alone do not fit.
    """
    shape = (len(texts), sequence_length)
    token_ids, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    owners = np.full(shape, -1, np.int32)
    mask = np.zeros(shape, bool)
    counts = np.zeros((3, len(texts)), np.int32)
    for row, text in enumerate(texts):
        pieces = tokenizer.tokenize(text.text)
        encoding = tokenizer.pack([pieces], sequence_length)
        token_ids[row] = encoding.token_ids
        mask[row] = encoding.padding_mask
        segments[row] = encoding.segment_ids
        of = piece_owners(pieces, text.spans)
        places = [place for place, span in enumerate(encoding.offsets) if span is not None]
        owners[row, places] = of[: len(places)]
        kept, all_of = set(of[: len(places)]) - {-1}, set(of) - {-1}
        counts[:, row] = len(text.spans), len(all_of - kept), len(text.spans) - len(all_of)
    has_segments = tokenizer.description["segment_ids"]
    return PieceRows(token_ids, mask, segments if has_segments else None, owners, *counts)


def piece_owners(pieces: Sequence[Token], spans: Sequence[tuple[int, int]]) -> list[int]:
    """The number of the token that each piece shares a character with first; -1 for none.

    Args:
        pieces: What `Tokenizer.tokenize` gives for the text.
        spans: Start and end of each token in it, from left to right.
    """
    # Empty tokens share no character, and would hide the one behind them from the search.
    filled = [number for number, (start, end) in enumerate(spans) if end > start]
    ends = [spans[number][1] for number in filled]
    owners = []
    for piece in pieces:
        place = bisect_right(ends, piece.start)
        shared = place < len(filled) and spans[filled[place]][0] < piece.end
        owners.append(filled[place] if shared else -1)
    return owners
