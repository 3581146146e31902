"""What answers to questions are worth against the true ones, by SQuAD's rules."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kfine.errors import DataError
from kfine.statistics import wilson_interval

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SENTENCE = re.compile(r".*?[.!?](?=\s|$)", re.DOTALL)


def answer_metrics(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Score answers as the official script of SQuAD 2.0 does.

    The script: https://rajpurkar.github.io/SQuAD-explorer/, evaluate-v2.0.py. Answers are
    compared without case, ASCII punctuation, English articles and extra white space; F1 is that
    of their words; the true answer that fits best counts. An impossible question is right where
    nothing is answered. Figures are fractions, where the script has percent. Without impossible
    questions this is SQuAD 1.1.

    Args:
        predictions: The answer to each question; the empty text says that there is none.
        references: The true answers of each; none for an impossible question.

    Returns:
        A JSON-able dict: `count`; `exact_match` and `exact_match_interval` (95 % Wilson score
        interval); `f1`; `has_answer` and `no_answer`, each with `count`, `exact_match` and `f1`
        of those questions, or None where there are no such questions.

    Raises:
        DataError: There are no questions.
        ValueError: There are more of the one than of the other.
    """
    if len(predictions) != len(references):
        raise ValueError(
            f"Each question needs one prediction: {len(references)} questions. "
            f"Received: {len(predictions)} predictions"
        )
    if not references:
        raise DataError("There are no questions to measure: the split is empty.")
    scores = [answer_scores(*pair) for pair in zip(predictions, references, strict=True)]
    answerable = [bool(true) for true in references]
    hits = sum(exact for exact, _ in scores)
    return {
        **_means(scores),
        "exact_match_interval": list(wilson_interval(hits, len(scores))),
        "has_answer": _part(scores, answerable, True),
        "no_answer": _part(scores, answerable, False),
    }


def answer_scores(prediction: str, references: Sequence[str]) -> tuple[int, float]:
    """Exact match (0 or 1) and F1 (0 to 1) of one answer; see `answer_metrics`."""
    given = normalize_answer(prediction)
    true = [text for text in map(normalize_answer, references) if text] or [""]
    return int(given in true), max(_word_f1(given.split(), one.split()) for one in true)


def normalize_answer(text: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def best_threshold(
    gaps: Sequence[float], predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> float:
    """The gap beyond which to answer nothing, for the highest F1.

    The way of `find_best_thresh` in SQuAD 2.0's script; to be used on the validation split. Of
    thresholds that score alike the lowest one is taken; where nothing should ever be answered, it
    is lower than all gaps.

    Args:
        gaps: How much better no answer scores; see `kfine.answers.spans.best.Passage.gap`.
        predictions: What is answered where something is.
        references: The true answers of each; none for an impossible question.

    Raises:
        DataError: There are no questions.
    """
    if not references:
        raise DataError("There are no questions to find a threshold on: the split is empty.")
    score = best = float(sum(not true for true in references))
    threshold = min(gaps) - 1.0
    ordered = sorted(zip(gaps, predictions, references, strict=True), key=lambda row: row[0])
    for place, (gap, prediction, true) in enumerate(ordered):
        answered = answer_scores(prediction, true)[1]
        score += answered - (0.0 if true else 1.0)
        # All questions of one gap are answered, or none.
        if score > best and (place + 1 == len(ordered) or ordered[place + 1][0] > gap):
            best, threshold = score, gap
    return threshold


def first_sentence(text: str) -> str:
    """A text up to the first full stop, question or exclamation mark before white space."""
    found = _SENTENCE.match(text.strip())
    return found.group() if found else text.strip()


def _word_f1(given: Sequence[str], true: Sequence[str]) -> float:
    if not given or not true:
        return float(given == true)
    common = (Counter(given) & Counter(true)).total()
    return 2 * common / (len(given) + len(true))


def _means(scores: Sequence[tuple[int, float]]) -> dict[str, float]:
    return {
        "count": len(scores),
        "exact_match": sum(exact for exact, _ in scores) / len(scores),
        "f1": sum(f1 for _, f1 in scores) / len(scores),
    }


def _part(
    scores: Sequence[tuple[int, float]], answerable: Sequence[bool], wanted: bool
) -> dict[str, float] | None:
    chosen = [score for score, one in zip(scores, answerable, strict=True) if one == wanted]
    return _means(chosen) if chosen else None
