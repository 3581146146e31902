"""Questions and their contexts as a data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kfine.data.decoding import Progress
from kfine.data.labelled import Data
from kfine.data.text.squad import Question, QuestionSource, read_squad
from kfine.data.text.structured import Kind, load_structured, load_structured_for_evaluation


def load_questions(
    data: str,
    *,
    validation_split: float,
    test_split: float,
    seed: int,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read questions, and make the splits that are missing; no split divides a context.

    Args:
        data: As in `kfine.data.text.squad.read_squad`.
        validation_split: Fraction 0 to 1 of the training questions, if there is no such split.
        test_split: The same for the test.
        seed: Decides which contexts are carved.
        split_lists: What `Data.split_lists` of a former run gave.
        progress: Called with (done, total) after the questions were read.

    Returns:
        Data whose `inputs` are `Question`s; `class_names` are `answer` and, where training has
        such questions, `no answer`.

    Raises:
        DataError: The source cannot be read, or no question of it can be used.
    """
    source = read_squad(data)
    return load_structured(
        data,
        source,
        source.questions,
        _QUESTIONS,
        class_names=_outcomes(source),
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        split_lists=split_lists,
        progress=progress,
    )


def load_questions_for_evaluation(
    data: str, *, class_names: Sequence[str], progress: Progress | None = None
) -> Data:
    """Read questions to score a trained model on: one split, called test."""
    source = read_squad(data)
    return load_structured_for_evaluation(
        data, source, source.questions, _QUESTIONS, class_names, progress
    )


def _outcomes(source: QuestionSource) -> tuple[str, ...]:
    trained = [one for one in source.questions if one.split in (None, "train")]
    return ("answer", "no answer") if any(one.impossible for one in trained) else ("answer",)


def _content(one: Question) -> str:
    return json.dumps([one.question, one.context, one.answers])


# One stratum: contexts have questions with and without an answer, and stay whole.
_QUESTIONS = Kind(
    stratum=lambda one: "question",
    content=_content,
    together=lambda one: one.context,
    counted=lambda one: ("without answer",) if one.impossible else ("with answer",),
)
