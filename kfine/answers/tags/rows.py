"""Tags of words to labels of word pieces, and predictions for pieces back to tags and entities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kfine.answers.tags.bio import find_entities, to_bio
from kfine.errors import DataError
from kfine.inputs.text.words import PieceRows, SpannedText

# The label of pieces that take no part in the loss: special tokens, padding, all pieces of a
# token but its first.
IGNORED = -1


class TextEntity(NamedTuple):
    """An entity that was found: `text` is the characters `start` to `end` of the whole text."""

    type: str
    start: int
    end: int
    text: str


def align_labels(
    rows: PieceRows, tags: Sequence[Sequence[str]], names: Sequence[str]
) -> NDArray[np.int32]:
    """The label of each piece: int32 `(rows, pieces)`, numbers into `names`.

    The first piece of a token carries its tag, as in BERT (Devlin et al., 2019, section 5.3,
    https://arxiv.org/abs/1810.04805); all else is `IGNORED`.

    Args:
        rows: What `encode_tokens` gives.
        tags: For each text, the BIO tag of each token.
        names: The tags that the model tells apart; see `kfine.answers.tags.bio.tag_names`.

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
    for row, example in enumerate(rows.examples):
        carrying = firsts[row]
        of_tokens = np.array([numbers[tag] for tag in tags[example]], np.int32)
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
    becomes B (see `kfine.answers.tags.bio.to_bio`).

    Args:
        predictions: int `(rows, pieces)`, numbers into `names`.
        rows: What `encode_tokens` gave for these texts.
        names: The tags that the model tells apart.

    Raises:
        ValueError: There is not one prediction for each piece.
    """
    if predictions.shape != rows.owners.shape:
        raise ValueError(
            f"predictions must be (rows, pieces) = {rows.owners.shape}. "
            f"Received: shape {predictions.shape}"
        )
    firsts = rows.first_pieces
    found = [["O"] * int(count) for count in rows.token_counts]
    last = [0] * len(found)
    # The windows of a text follow each other, so its tokens come from left to right.
    for row, place in zip(*np.nonzero(firsts), strict=True):
        example = int(rows.examples[row])
        tags, before = found[example], last[example]
        owner, tag = int(rows.owners[row, place]), names[predictions[row, place]]
        tags[owner] = tag
        if tag.startswith("I-") and tags[before][2:] == tag[2:]:
            tags[before + 1 : owner] = [tag] * (owner - before - 1)
        last[example] = owner
    return [to_bio(tags)[0] for tags in found]


def text_entities(text: SpannedText, tags: Sequence[str]) -> list[TextEntity]:
    """The entities of a text from the tags of its tokens, with their place in the text."""
    found = []
    for kind, first, after in find_entities(tags):
        start, end = text.spans[first][0], text.spans[after - 1][1]
        found.append(TextEntity(kind, start, end, text.text[start:end]))
    return found
