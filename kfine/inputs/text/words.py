"""Texts in words to rows of word pieces, and the word that each piece is of."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kfine.errors import DataError
from kfine.inputs.text.tokenizers import Encoding, Token, Tokenizer
from kfine.inputs.text.windows import cuts

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
    """Texts as a token classifier takes them; one row a window, one column a word piece.

    Attributes:
        token_ids: int32 `(rows, pieces)`, the word pieces with special tokens and padding.
        padding_mask: bool `(rows, pieces)`, False for padding.
        segment_ids: int32 `(rows, pieces)`, all 0; None for models that take none.
        owners: int32 `(rows, pieces)`: the number of the token that a piece is of; -1 for special
            tokens, padding, pieces that stand for white space between tokens, and pieces of
            tokens that another window speaks for.
        examples: int32 `(rows,)`, the text that a row is of; its windows follow each other.
        token_counts: int32 `(texts,)`, how many tokens each text has.
        cut_counts: int32 `(texts,)`, how many of them did not fit.
        pieceless_counts: int32 `(texts,)`, how many of them have no piece in any length, such as
            a token of control characters.
    """

    token_ids: NDArray[np.int32]
    padding_mask: NDArray[np.bool_]
    segment_ids: NDArray[np.int32] | None
    owners: NDArray[np.int32]
    examples: NDArray[np.int32]
    token_counts: NDArray[np.int32]
    cut_counts: NDArray[np.int32]
    pieceless_counts: NDArray[np.int32]

    @property
    def first_pieces(self) -> NDArray[np.bool_]:
        """bool `(rows, pieces)`: True at the first piece of each token."""
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
            f"A text to tag must be a str or a TaggedText. Received: {type(example).__name__}."
        )
    return join_tokens(example.tokens)


def encode_tokens(
    tokenizer: Tokenizer,
    texts: Sequence[SpannedText],
    sequence_length: int,
    stride: int | None = None,
) -> PieceRows:
    """Cut texts into word pieces and find the token that each piece is of.

    A piece belongs to the first token that it shares a character with. The text is tokenized as
    a whole, as it would be without tokens, so that byte-level pieces keep the space before them.

    Of the pieces that two windows share the first one speaks for those before their middle, the
    second one for the others, so that each is seen with words on both sides. A window speaks for
    the tokens whose first piece is its own.

    Args:
        tokenizer: Plain-Python tokenizer of the model.
        texts: What `join_tokens` gives, or a text with spans of one's own.
        sequence_length: Pieces of a row with special tokens and padding.
        stride: Pieces from the beginning of one window to that of the next; `None` cuts off what
            is longer than a row.

    Raises:
        ValueError: The special tokens alone do not fit.
    """
    # With the special tokens alone; an error where not even they fit.
    room = sequence_length - sum(tokenizer.pack([[]], sequence_length).padding_mask)
    encodings: list[Encoding] = []
    owners: list[NDArray[np.int32]] = []
    examples: list[int] = []
    counts = np.zeros((3, len(texts)), np.int32)
    for number, text in enumerate(texts):
        pieces = tokenizer.tokenize(text.text)
        of = np.array(piece_owners(pieces, text.spans), np.int32)
        first_pieces = {owner: place for place, owner in reversed([*enumerate(of.tolist())])}
        kept: set[int] = set()
        for first, count, begin, end in windows_of(len(pieces), room, stride):
            encodings.append(tokenizer.pack([pieces[first : first + count]], sequence_length))
            shown = of[first : first + count]
            own = [begin <= first_pieces[owner] < end for owner in shown.tolist()]
            row = np.full(sequence_length, -1, np.int32)
            row[_places(encodings[-1])] = np.where(own, shown, -1)
            owners.append(row)
            examples.append(number)
            kept.update(row.tolist())
        all_of = {*of.tolist()} - {-1}
        counts[:, number] = len(text.spans), len(all_of - kept), len(text.spans) - len(all_of)
    shape = (len(encodings), sequence_length)

    def stacked(values: Any, dtype: Any) -> Any:
        return np.array(values, dtype).reshape(shape)

    has_segments = tokenizer.description["segment_ids"]
    return PieceRows(
        stacked([one.token_ids for one in encodings], np.int32),
        stacked([one.padding_mask for one in encodings], np.bool_),
        stacked([one.segment_ids for one in encodings], np.int32) if has_segments else None,
        stacked(owners, np.int32),
        np.array(examples, np.int32),
        *counts,
    )


def windows_of(total: int, room: int, stride: int | None) -> Iterator[tuple[int, int, int, int]]:
    """The windows of a text, each with the pieces that it speaks for.

    Args:
        total: Pieces of the text.
        room: Pieces of a row.
        stride: As in `encode_tokens`.

    Yields:
        First piece and number of pieces of a window, and the first piece that it speaks for and
        the one behind the last.
    """
    if stride is None:
        yield 0, min(room, total), 0, total
        return
    begin = 0
    found = [*cuts(total, room, stride), (total, 0)]
    for (first, count), (after, _) in pairwise(found):
        end = (after + first + count) // 2
        yield first, count, begin, end
        begin = end


def _places(encoding: Encoding) -> list[int]:
    """Columns of a row that stand for text."""
    return [place for place, span in enumerate(encoding.offsets) if span is not None]


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
