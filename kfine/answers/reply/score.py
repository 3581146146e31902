"""How near a reply is to the one that was wanted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from kfine.answers.score import Score
from kfine.errors import DataError

_WORD = re.compile(r"\w+")
# So many words that come again at once, so often, are a loop.
_LOOP, _TIMES = 3, 3


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def rouge_l(reply: str, reference: str) -> float:
    """How much of two texts is said in the same order, 0 to 1.

    The F measure of the longest common subsequence of words (Lin 2004,
    https://aclanthology.org/W04-1013), without stemming; 1 of two texts without words.
    """
    from rapidfuzz.distance import LCSseq

    said, wanted = words_of(reply), words_of(reference)
    if not said and not wanted:
        return 1.0
    common = LCSseq.similarity(said, wanted)
    return 2 * common / (len(said) + len(wanted))


def loops(text: str) -> bool:
    """Whether some words of a text come three times or more in a row."""
    words = words_of(text)
    for size in range(1, len(words) // _TIMES + 1):
        run = 0
        for place in range(len(words) - size):
            run = run + 1 if words[place] == words[place + size] else 0
            if run >= size * (_TIMES - 1) and run >= _LOOP:
                return True
    return False


def reply_score(
    replies: Sequence[str], references: Sequence[str], unfinished: Sequence[bool] = ()
) -> Score:
    """How near replies are to those that were wanted.

    Args:
        replies: What was written.
        references: What was wanted.
        unfinished: Which replies were as long as they may be; none if empty.

    Returns:
        `rouge_l` (the primary metric; the mean of `rouge_l` over the replies), `chrf` (fraction:
        the corpus-level chrF2 of sacrebleu, Popovic 2015, https://aclanthology.org/W15-3049, over
        100) and `exact_match` (the same but for space at the ends); in the tables `words` of the
        replies over those of the references, and how many are `unfinished` or say the same words
        over and over (`repeats`).

    Raises:
        DataError: There are no replies.
    """
    from sacrebleu.metrics.chrf import CHRF

    if not references:
        raise DataError("There are no replies to measure: the split is empty.")
    each = np.array([rouge_l(one, wanted) for one, wanted in zip(replies, references, strict=True)])
    same = [one.strip() == wanted.strip() for one, wanted in zip(replies, references, strict=True)]
    counts = [sum(len(words_of(one)) for one in texts) for texts in (replies, references)]
    tables: dict[str, Any] = {
        "words": counts[0] / max(1, counts[1]),
        "unfinished": int(sum(unfinished)),
        "repeats": sum(map(loops, replies)),
    }
    return Score(
        metrics={
            "rouge_l": float(each.mean()),
            "chrf": CHRF().corpus_score(list(replies), [list(references)]).score / 100,
            "exact_match": float(np.mean(same)),
        },
        each=np.where(same, 1.0, each),
        tables=tables,
        resample=lambda rows: float(each[rows].mean()),
    )
