"""A model's scores for the pieces of windows to the answer of each question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kfine.errors import ConfigError, RunError
from kfine.inputs.text.examples import Question
from kfine.inputs.text.windows import Windows


@dataclass(frozen=True)
class Passage:
    """The best span of a context for a question.

    Attributes:
        text: The characters `start` to `end` of the context.
        start: Place of its first character.
        end: Place behind its last character.
        score: Sum of the scores of its first and last piece; minus infinity where the context
            has no piece, so that there is no span.
        null_score: The same sum for the start token, which stands for no answer: the smallest of
            the windows.
    """

    text: str
    start: int
    end: int
    score: float
    null_score: float

    @property
    def gap(self) -> float:
        """How much better no answer scores than this one; see `answer_texts`."""
        return self.null_score - self.score


def best_answers(
    windows: Windows,
    questions: Sequence[Question],
    start_scores: NDArray[np.floating],
    end_scores: NDArray[np.floating],
    longest_answer: int = 30,
) -> list[Passage]:
    """The best span of each question over all its windows.

    A span lies in the context, ends where it starts or later, and has `longest_answer` pieces at
    most. As in BERT's `run_squad.py`
    (https://github.com/google-research/bert/blob/master/run_squad.py), with two departures: all
    spans are compared, not those of the 20 best starts and ends; and one may start in any window
    that holds it, not only in the one that shows most around it. Of equal spans the shorter one
    is taken, then the one further to the left.

    Args:
        windows: What `make_windows` gave.
        questions: What it was given.
        start_scores: float `(windows, pieces)`, logits of being the first piece of the answer.
        end_scores: float `(windows, pieces)`, logits of being its last piece.
        longest_answer: Pieces.

    Raises:
        ConfigError: The longest answer has no piece.
        RunError: The scores hold NaN or infinity.
        ValueError: The shapes do not belong together.
    """
    if longest_answer < 1:
        raise ConfigError(
            f"an answer has 1 piece or more. Received: longest_answer {longest_answer}"
        )
    start_scores, end_scores = (
        np.asarray(scores, np.float32) for scores in (start_scores, end_scores)
    )
    _check(windows, questions, start_scores, end_scores)
    scores, firsts, lengths = _best_spans(windows, start_scores, end_scores, longest_answer)
    nulls = start_scores[:, 0] + end_scores[:, 0]
    found: list[Passage | None] = [None] * len(questions)
    for window, example in enumerate(windows.examples.tolist()):
        before = found[example]
        null = float(nulls[window])
        if before:
            null = min(null, before.null_score)
        if before and before.score >= scores[window]:
            answer = (before.text, before.start, before.end, before.score)
        elif windows.counts[window]:
            spans = windows.piece_spans(window)
            first = int(firsts[window] - windows.columns[window])
            start, end = int(spans[first, 0]), int(spans[first + lengths[window] - 1, 1])
            text = questions[example].context[start:end]
            answer = (text, start, end, float(scores[window]))
        else:
            answer = ("", 0, 0, -np.inf)
        found[example] = Passage(*answer, null_score=null)
    return [answer for answer in found if answer]


def answer_texts(answers: Sequence[Passage], threshold: float | None = None) -> list[str]:
    """What is answered: the text of the best span, or nothing.

    Args:
        answers: What `best_answers` gives.
        threshold: Nothing is answered where `Passage.gap` is more than this, as for SQuAD 2.0;
            None answers always, as for SQuAD 1.1. `kfine.answers.spans.score.best_threshold`
            finds one on the validation split.
    """
    none = np.inf if threshold is None else threshold
    return ["" if answer.gap > none else answer.text for answer in answers]


def _best_spans(
    windows: Windows,
    start_scores: NDArray[np.floating],
    end_scores: NDArray[np.floating],
    longest_answer: int,
) -> tuple[NDArray[np.floating], NDArray[np.intp], NDArray[np.intp]]:
    """Score, first column and number of pieces of the best span of each window."""
    pieces = start_scores.shape[1]
    places = np.arange(pieces) - windows.columns[:, None]
    inside = (places >= 0) & (places < windows.counts[:, None])
    starts = np.where(inside, start_scores, -np.inf)
    ends = np.where(inside, end_scores, -np.inf)
    rows = np.arange(len(windows))
    scores = np.full(len(windows), -np.inf)
    firsts, lengths = np.zeros(len(windows), np.intp), np.ones(len(windows), np.intp)
    for length in range(1, min(longest_answer, pieces) + 1):
        sums = starts[:, : pieces - length + 1] + ends[:, length - 1 :]
        columns = sums.argmax(axis=1)
        better = sums[rows, columns] > scores
        scores[better] = sums[rows, columns][better]
        firsts[better] = columns[better]
        lengths[better] = length
    return scores, firsts, lengths


def _check(
    windows: Windows,
    questions: Sequence[Question],
    start_scores: NDArray[np.floating],
    end_scores: NDArray[np.floating],
) -> None:
    shapes = {start_scores.shape, end_scores.shape}
    if shapes != {windows.token_ids.shape} or len(questions) != len(windows.spans):
        raise ValueError(
            f"scores must be (windows, pieces) = {windows.token_ids.shape}, for "
            f"{len(windows.spans)} questions. Received: shapes {start_scores.shape} and "
            f"{end_scores.shape}, {len(questions)} questions"
        )
    broken = ~(np.isfinite(start_scores) & np.isfinite(end_scores)).all(axis=1)
    if broken.any():
        raise RunError(
            f"The model answers NaN or infinity for {int(broken.sum())} of {len(windows)} "
            "windows, so there is nothing to read; train again with a lower learning rate."
        )
