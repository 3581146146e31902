"""Tagged tokens to rows of word pieces for a model, and the model's answers back to entities."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kfine.data.text.bio import find_entities, to_bio
from kfine.data.tokenizers import Token, Tokenizer
from kfine.errors import DataError

# The label of pieces that take no part in the loss: special tokens, padding, all pieces of a
# token but its first.
IGNORED = -1
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


class TextEntity(NamedTuple):
    """An entity that was found: `text` is the characters `start` to `end` of the whole text."""

    type: str
    start: int
    end: int
    text: str


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


def align_labels(
    rows: PieceRows, tags: Sequence[Sequence[str]], names: Sequence[str]
) -> NDArray[np.int32]:
    """The label of each piece: int32 `(texts, pieces)`, numbers into `names`.

    The first piece of a token carries its tag, as in BERT (Devlin et al., 2019, section 5.3,
    https://arxiv.org/abs/1810.04805); all else is `IGNORED`.

    Args:
        rows: What `encode_tokens` gives.
        tags: For each text, the BIO tag of each token.
        names: The tags that the model tells apart; see `kfine.data.text.bio.tag_names`.

    Raises:
        DataError: A tag is not one of `names`.
        ValueError: A text has another number of tags than of tokens.
    """
    numbers = {name: number for number, name in enumerate(names)}
    check_known_tags((tag for of_text in tags for tag in of_text), names)
    lengths = [len(of_text) for of_text in tags]
    if lengths != rows.token_counts.tolist():
        raise ValueError(
            f"Each token needs one tag: {rows.token_counts.tolist()[:8]} tokens. "
            f"Received: {lengths[:8]} tags"
        )
    labels = np.full(rows.owners.shape, IGNORED, np.int32)
    firsts = rows.first_pieces
    for row, of_text in enumerate(tags):
        carrying = firsts[row]
        of_tokens = np.array([numbers[tag] for tag in of_text], np.int32)
        labels[row, carrying] = of_tokens[rows.owners[row, carrying]]
    return labels


def check_known_tags(tags: Iterable[str], names: Sequence[str]) -> None:
    """Check that a model tells apart all tags.

    Raises:
        DataError: Naming the entity types that are not in `names`.
    """
    unknown = sorted({tag[2:] for tag in set(tags) - set(names)})
    if unknown:
        known = ", ".join(name[2:] for name in names if name.startswith("B-"))
        raise DataError(
            f"the model does not know the entity types {', '.join(unknown)}: it was trained on "
            f"{known}"
        )


def read_tags(
    predictions: NDArray[np.integer], rows: PieceRows, names: Sequence[str]
) -> list[tuple[str, ...]]:
    """The tags of the tokens of each text, from the predictions for its pieces.

    The first piece of a token speaks for it. Tokens that were cut off are O. A token without
    pieces is O too, unless the tokens around it are of one entity. An I that continues nothing
    becomes B (see `kfine.data.text.bio.to_bio`).

    Args:
        predictions: int `(texts, pieces)`, numbers into `names`.
        rows: What `encode_tokens` gave for these texts.
        names: The tags that the model tells apart.

    Raises:
        ValueError: There is not one prediction for each piece.
    """
    if predictions.shape != rows.owners.shape:
        raise ValueError(
            f"predictions must be (texts, pieces) = {rows.owners.shape}. "
            f"Received: shape {predictions.shape}"
        )
    firsts = rows.first_pieces
    found = []
    for row, count in enumerate(rows.token_counts):
        tags = ["O"] * int(count)
        last = 0
        for place in np.flatnonzero(firsts[row]):
            owner, tag = int(rows.owners[row, place]), names[predictions[row, place]]
            tags[owner] = tag
            if tag.startswith("I-") and tags[last][2:] == tag[2:]:
                tags[last + 1 : owner] = [tag] * (owner - last - 1)
            last = owner
        found.append(to_bio(tags)[0])
    return found


def text_entities(text: SpannedText, tags: Sequence[str]) -> list[TextEntity]:
    """The entities of a text from the tags of its tokens, with their place in the text."""
    found = []
    for kind, first, after in find_entities(tags):
        start, end = text.spans[first][0], text.spans[after - 1][1]
        found.append(TextEntity(kind, start, end, text.text[start:end]))
    return found
