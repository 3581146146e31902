"""The scores of an answer's ends, as an exported file gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import AnswerOnDevice, Described
from kfine.answers.golden import written_rows

if TYPE_CHECKING:
    from kfine.answers.spans.spans import Spans

NAME = "scores"


@dataclass(frozen=True)
class SpansOnDevice:
    """The scores of each piece to be the first and the last of an answer.

    Attributes:
        answer: What may be answered.
    """

    answer: Spans

    programs = (Path(__file__).parent / "programs",)
    right = "exact match"
    same = "same answer (F1 of words)"
    timed = "a row"

    @property
    def tensors(self) -> tuple[Described, ...]:
        """float32 `(batch, pieces, 2)`."""
        meaning = "score", "Scores of being the answer's first and last piece, for each id."
        return (Described(NAME, meaning, "pieces, 2", None, ("start", "end"), rank=2),)

    def describe(self, quantize: str) -> dict[str, Any]:
        """float32 in every file."""
        return {"name": NAME, "axes": "pieces, 2", "dtype": "float32"}

    def misfit(self, format: str, quantize: str) -> str:
        """Every file can give this."""
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """Answers with a passage."""
        none = ", or says that there is none" if self.answer.may_be_none else ""
        return f"Answers questions with a passage of a text{none}."

    def words(self, dtype: str) -> str:
        """Two scores for each token id."""
        none = ""
        if self.answer.may_be_none:
            none = " There is no answer where the start token has the larger sum."
        return (
            f"for each token id two scores ({dtype}): of being the first and the last piece of the "
            f"answer, which is the span of the text with the largest sum.{none}"
        )

    def limits(self) -> str:
        """It believes the text."""
        return "It answers with what stands in the text, whether that is true or not."

    def strings(
        self, inference: Any, tokenizer: Any, text: Any
    ) -> tuple[tuple[str, ...], Callable[..., dict[str, Any]]]:
        """`question` and `context` to the best span over all windows."""
        from kfine.answers.spans.strings import answers_of_strings

        serve = answers_of_strings(
            inference,
            tokenizer,
            stride=text.stride,
            longest_question=text.device().program_values()["longest_question"],
            longest_answer=self.answer.longest,
        )
        return ("question", "context"), serve

    def program_values(self) -> dict[str, Any]:
        """`AnswerFinder.find`, and how long an answer may be."""
        return {
            "does": "Answer a question from",
            "name": "AnswerFinder",
            "verb": "find",
            "program": "find_answer",
            "result": "The passage that answers, and where it stands; none for no answer.",
            "longest_answer": self.answer.longest,
            "may_be_none": self.answer.may_be_none,
        }

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """The answer, and the values in files."""
        found = {name: getattr(prediction, name) for name in ("text", "start", "end")}
        return {
            "answer": found if prediction.text else None,
            **written_rows(folder, stem, finished[NAME]),
        }


_: type[AnswerOnDevice] = SpansOnDevice
