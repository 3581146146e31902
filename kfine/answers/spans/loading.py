"""Questions and their contexts as a data set."""

from __future__ import annotations

import json
from typing import Any

from kfine.answers.spans.squad import QuestionSource, read_squad
from kfine.data.labelled import Data
from kfine.data.labels import Known
from kfine.data.records import Progress
from kfine.data.structured import Kind, load_structured
from kfine.inputs.text.examiner import QuestionExaminer
from kfine.inputs.text.examples import Question


def load_questions(
    data: str,
    *,
    validation_split: float = 0.0,
    test_split: float = 0.0,
    seed: int = 0,
    like: Known | None = None,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read questions, and make the splits that are missing; no split divides a context.

    Args:
        data: As in `kfine.answers.spans.squad.read_squad`.
        validation_split: Fraction 0 to 1 of the training questions, if there is no such split.
        test_split: The same for the test.
        seed: Decides which contexts are carved.
        like: What a trained model knows, to score it: there is then one split, test.
        split_lists: What `Data.split_lists` of a former run gave.
        progress: Called with (done, total) after the questions were read.

    Returns:
        Data whose `inputs` are `Question`s; `class_names` are `answer` and, where training has
        such questions, `no answer`. Labels are the true answers' texts, none for `no answer`.

    Raises:
        DataError: The source cannot be read, or no question of it can be used.
    """
    source = read_squad(data)
    return load_structured(
        data,
        source,
        source.questions,
        _QUESTIONS,
        names=_outcomes(source),
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        like=like,
        split_lists=split_lists,
        progress=progress,
    )


def _outcomes(source: QuestionSource) -> tuple[str, ...]:
    trained = [one for one in source.questions if one.split in (None, "train")]
    return ("answer", "no answer") if any(one.impossible for one in trained) else ("answer",)


def _content(one: Question) -> str:
    return json.dumps([one.question, one.context, one.answers])


# One stratum: contexts have questions with and without an answer, and stay whole.
_QUESTIONS = Kind(
    label=lambda one: tuple(text for _, text in one.answers),
    stratum=lambda texts: "question",
    content=_content,
    together=lambda one: one.context,
    counted=lambda texts: ("with answer",) if texts else ("without answer",),
    examiner=QuestionExaminer(),
)
