"""Tokens of a text, as an exported file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import AnswerOnDevice, Described, TensorsOnly
from kfine.answers.said import TOKENS, described_tokens, token_tensors

if TYPE_CHECKING:
    from kfine.answers.words.words import Words


@dataclass(frozen=True)
class WordsOnDevice(TensorsOnly):
    """The tokens of what was said, and how sure they are.

    Attributes:
        answer: The words.
    """

    answer: Words

    programs = (Path(__file__).parent / "programs",)
    right = "share of texts with exactly their words"
    same = "agreement with Keras (1: the same words)"
    timed = ""

    @property
    def tensors(self) -> tuple[Described, ...]:
        """float32 `(batch, longest)`, whole numbers, and float32 `(batch,)`."""
        return token_tensors("the text", self.answer.longest, self.answer.end)

    def describe(self, quantize: str) -> dict[str, Any]:
        """float32, both of them."""
        return described_tokens(self.answer.end)

    def misfit(self, format: str, quantize: str) -> str:
        """A loop that says one token after the other, in float."""
        if format not in ("tflite", "bundle", "saved_model"):
            return (
                "The loop that says one token after the other goes into the formats tflite and "
                f"saved_model. Received: {format}"
            )
        if quantize not in ("none", "float16", "auto"):
            return (
                "The loop that says one token after the other is not calibrated, and with integer "
                f"weights alone it says other words: use quantize float16. Received: {quantize}"
            )
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """What it does."""
        return f"Writes down what is said in {many}."

    def words(self, dtype: str) -> str:
        """Tokens."""
        return (
            f"`token_ids`, the numbers of at most {self.answer.longest} tokens (float32, "
            f"{self.answer.end} behind the end), which `tokens.txt` turns into text, and "
            "`confidence` in them (float32, 0 to 1)."
        )

    def limits(self) -> str:
        """It makes words of everything."""
        return "It hears words in noise and silence too; check the confidence."

    def program_values(self) -> dict[str, Any]:
        """`Transcriber.transcribe`."""
        return {
            "does": "Write down",
            "name": "Transcriber",
            "verb": "transcribe",
            "program": "transcribe",
            "result": "The text, and how sure it is, 0 to 1.",
            "end": self.answer.end,
        }

    def write_programs(self, folder: Path) -> None:
        """`tokens.txt`: a token in each line, in letters that stand for bytes."""
        text = "\n".join(self.answer.pairs.tokens)
        (folder / "tokens.txt").write_bytes(text.encode())

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """The text and its tokens."""
        row = np.asarray(finished[TOKENS])[0].astype(int).tolist()
        sure = round(prediction.probability, 6)
        return {"text": prediction.text, "probability": sure, "tokens": self.answer.said(row)}


_: type[AnswerOnDevice] = WordsOnDevice
