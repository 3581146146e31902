"""A token classifier's outputs as the tags of words and the entities of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kfine.answers.tags.bio import find_entities
from kfine.answers.tags.rows import read_tags
from kfine.inputs.places import PiecePlaces
from kfine.inputs.text.words import SpannedText


@dataclass(frozen=True)
class Tagging:
    """What a model says of one text.

    Attributes:
        text: The text and its words.
        tags: Of each word, in BIO.
        probabilities: Of each tag that the model chose for a word's first piece; 1 for words that
            it did not see.
    """

    text: SpannedText
    tags: tuple[str, ...]
    probabilities: tuple[float, ...]

    def entities(self) -> list[dict[str, Any]]:
        """Each entity: `type`, `text`, `start` and `end` in characters, `probability`.

        The probability is that of its least certain word.
        """
        found = []
        for kind, first, after in find_entities(self.tags):
            start, end = self.text.spans[first][0], self.text.spans[after - 1][1]
            found.append(
                {
                    "type": kind,
                    "text": self.text.text[start:end],
                    "start": start,
                    "end": end,
                    "probability": round(min(self.probabilities[first:after]), 6),
                }
            )
        return found


def read_taggings(
    probabilities: np.ndarray, places: PiecePlaces, names: Sequence[str]
) -> list[Tagging]:
    """The tags that a model gives to the words of texts.

    Args:
        probabilities: float `(rows, pieces, tags)`.
        places: Where the rows lie in the texts.
        names: The tags, in the order of the last axis.
    """
    rows = places.pieces
    chosen, sure = probabilities.argmax(-1), probabilities.max(-1)
    firsts, tags = rows.first_pieces, read_tags(chosen, rows, names)
    of_words = [np.ones(count) for count in rows.token_counts]
    for row, example in enumerate(rows.examples):
        seen = firsts[row]
        of_words[example][rows.owners[row, seen]] = sure[row, seen]
    return [
        Tagging(text, of_text, tuple(words.tolist()))
        for text, of_text, words in zip(places.texts, tags, of_words, strict=True)
    ]
