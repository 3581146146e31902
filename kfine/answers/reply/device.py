"""Tokens of a reply, as an exported file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import AnswerOnDevice, Described, TensorsOnly
from kfine.answers.said import described_tokens, token_tensors

if TYPE_CHECKING:
    from kfine.answers.reply.reply import Reply


@dataclass(frozen=True)
class ReplyOnDevice(TensorsOnly):
    """The tokens of a reply, and how sure they are.

    Attributes:
        answer: The replies.
    """

    answer: Reply

    programs = ()
    right = "share of replies that are exactly the one wanted"
    same = "agreement with Keras (1: the same words)"
    timed = "a reply"
    phone_format = "litertlm"

    @property
    def tensors(self) -> tuple[Described, ...]:
        """float32 `(batch, longest)`, whole numbers, and float32 `(batch,)`."""
        return token_tensors("the reply", self.answer.longest, self.answer.ends[0])

    def describe(self, quantize: str) -> dict[str, Any]:
        """float32, both of them."""
        return described_tokens(self.answer.ends[0])

    def misfit(self, format: str, quantize: str) -> str:
        """One token after the other: a loop, or a file for a runtime that has one."""
        if format not in ("litertlm", "saved_model"):
            return (
                "A model that writes text is exported for phones as litertlm, and for servers as "
                f"saved_model. Received: {format}"
            )
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """What it does."""
        return f"Replies to {many}."

    def words(self, dtype: str) -> str:
        """Tokens."""
        return (
            f"`token_ids`, the numbers of at most {self.answer.longest} tokens (float32, "
            f"{self.answer.ends[0]} behind the end), and `confidence` in them (float32, 0 to 1)."
        )

    def limits(self) -> str:
        """It makes things up."""
        return "It writes what sounds likely, true or not; read what it says before others do."

    def program_values(self) -> dict[str, Any]:
        """There are no programs."""
        return {"result": "The reply, and how sure it is, 0 to 1."}

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """The text."""
        return {"text": prediction.text, "probability": round(prediction.probability, 6)}


_: type[AnswerOnDevice] = ReplyOnDevice
