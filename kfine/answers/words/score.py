"""How many words of transcripts are wrong."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from kfine.answers.score import Score
from kfine.errors import DataError

# Pairs that are named.
_MOST = 20
# Marks inside words, as in "don't".
_INSIDE = ("'", "\u2019")


def normalized(text: str) -> str:
    """A text as words are compared: lower case, without punctuation, one space between words.

    Letters are composed as Unicode's NFKC says; an apostrophe between letters stays, as '.
    Numbers stay as they are written: 7 is not seven.
    """
    letters = unicodedata.normalize("NFKC", text).lower()
    kept = []
    for place, one in enumerate(letters):
        inside = 0 < place < len(letters) - 1 and letters[place - 1].isalnum()
        if one.isalnum() or unicodedata.category(one).startswith("M"):
            kept.append(one)
        elif one in _INSIDE and inside and letters[place + 1].isalnum():
            kept.append("'")
        else:
            kept.append(" ")
    return " ".join("".join(kept).split())


def word_score(predictions: Sequence[str], references: Sequence[str]) -> Score:
    """Error rates of transcripts, by jiwer (https://github.com/jitsi/jiwer).

    The word error rate is the least number of words to replace, leave out or put in, over the words
    of the references, so it may be above 1; the character error rate is the same of letters and
    spaces. All texts are `normalized` first. Of references without a word, each word that was
    heard counts as one error.

    Args:
        predictions: What was heard.
        references: What was said.

    Returns:
        `word_error_rate` (the primary metric), `character_error_rate`, `exact_match` (fraction of
        texts with the same words), `words` (of the references); in the tables `substitutions`,
        `deletions` and `insertions`, and `confused`, the most frequent pairs of a word and what
        was heard in its place. An example is as right as the share of its words, at least 0.

    Raises:
        DataError: There are no texts.
    """
    import jiwer

    heard, said = ([normalized(one) for one in texts] for texts in (predictions, references))
    if not said:
        raise DataError("There are no words to measure: the split is empty.")
    found = jiwer.process_words(said, heard)
    letters = jiwer.process_characters(said, heard)
    errors, confused = np.zeros(len(said)), Counter[tuple[str, str]]()
    for number, chunks in enumerate(found.alignments):
        for chunk in chunks:
            if chunk.type == "equal":
                continue
            true = found.references[number][chunk.ref_start_idx : chunk.ref_end_idx]
            given = found.hypotheses[number][chunk.hyp_start_idx : chunk.hyp_end_idx]
            errors[number] += max(len(true), len(given))
            if chunk.type == "substitute":
                confused.update(zip(true, given, strict=True))
    counts = np.array([len(one.split()) for one in said], np.float64)
    each = np.where(
        counts > 0, 1 - errors / np.maximum(counts, 1), np.where(errors > 0, 0.0, 1.0)
    ).clip(0, 1)
    return Score(
        metrics={
            "word_error_rate": float(errors.sum() / max(1.0, counts.sum())),
            "character_error_rate": float(letters.cer),
            "exact_match": float((errors == 0).mean()),
        },
        each=each,
        tables={
            "words": int(counts.sum()),
            "substitutions": found.substitutions,
            "deletions": found.deletions,
            "insertions": found.insertions,
            "confused": [
                {"said": true, "heard": given, "count": count}
                for (true, given), count in _most(confused)
            ],
        },
        resample=lambda rows: float(errors[rows].sum() / max(1.0, counts[rows].sum())),
    )


def _most(confused: Counter[tuple[str, str]]) -> list[Any]:
    return sorted(confused.items(), key=lambda one: (-one[1], one[0]))[:_MOST]
