"""A token classifier's outputs as the tags of tokens and the entities of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kfine.data.text.alignment import SpannedText, read_tags
from kfine.data.text.bio import find_entities
from kfine.evaluation.ranking import softmax


@dataclass(frozen=True)
class Tagging:
    """What a model says of one text.

    Attributes:
        text: The text and its tokens.
        tags: Of each token, in BIO.
        probabilities: Of each tag that the model chose for a token's first piece; 1 for tokens
            that it did not see.
    """

    text: SpannedText
    tags: tuple[str, ...]
    probabilities: tuple[float, ...]

    def entities(self) -> list[dict[str, Any]]:
        """Each entity: `type`, `text`, `start` and `end` in characters, `probability`.

        The probability is that of its least certain token.
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
    logits: np.ndarray, texts: Sequence[Any], preprocessing: Any, names: Sequence[str]
) -> list[Tagging]:
    """The tags that a model gives to the tokens of texts.

    Args:
        logits: float `(texts, pieces, tags)`.
        texts: What was tokenized.
        preprocessing: The `TokenPreprocessing` that did it.
        names: The tags, in the order of the last axis.
    """
    rows = preprocessing.pieces(texts)
    chosen = logits.argmax(-1)
    sure = softmax(logits).max(-1)
    firsts = rows.first_pieces
    tags = read_tags(chosen, rows, names)
    found = []
    for number, text in enumerate(texts):
        probabilities = np.ones(rows.token_counts[number])
        seen = firsts[number]
        probabilities[rows.owners[number, seen]] = sure[number, seen]
        spanned = preprocessing.spanned(text)
        found.append(Tagging(spanned, tags[number], tuple(probabilities.tolist())))
    return found
