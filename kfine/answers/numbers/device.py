"""Numbers in their units, as an exported file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import NAMED, AnswerOnDevice, Described, TensorsOnly
from kfine.answers.golden import by_name

if TYPE_CHECKING:
    from kfine.answers.numbers.numbers import Numbers

NAME = "values"


@dataclass(frozen=True)
class NumbersOnDevice(TensorsOnly):
    """One float for each number.

    Attributes:
        answer: The numbers.
    """

    answer: Numbers

    programs = (NAMED, Path(__file__).parent / "programs")
    right = ""
    same = "agreement with Keras (1: the same numbers, 0: as far off as the training labels spread)"
    timed = ""

    @property
    def tensors(self) -> tuple[Described, ...]:
        """float32 `(batch, numbers)`."""
        meaning = NAME, f"{', '.join(self._in_units())}."
        return (Described(NAME, meaning, "numbers", None, self.answer.names),)

    def describe(self, quantize: str) -> dict[str, Any]:
        """float32 in every file."""
        return {"name": NAME, "dtype": "float32"}

    def misfit(self, format: str, quantize: str) -> str:
        """256 levels are too few for a number, and what learns on the phone is a softmax."""
        if quantize == "int8-full":
            return (
                "Numbers that leave a file as 8-bit integers have 256 levels; use quantize int8, "
                "whose outputs are floats. Received: int8-full"
            )
        if format == "trainable":
            return (
                "A file that goes on learning on the phone tells classes apart; use the format "
                "tflite. Received: trainable"
            )
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """What it reads off an example."""
        return f"Reads off {many}: {', '.join(self._in_units())}."

    def words(self, dtype: str) -> str:
        """The numbers in order."""
        return f"{len(self.answer.names)} {dtype}: {', '.join(self._in_units())}, in this order."

    def limits(self) -> str:
        """It has seen a range."""
        return "It knows numbers in the range of its training examples only."

    def program_values(self) -> dict[str, Any]:
        """`Estimator.estimate`."""
        return {
            "does": "Estimate numbers of",
            "name": "Estimator",
            "verb": "estimate",
            "program": "estimate",
            "result": f"Name to number: {', '.join(self._in_units())}.",
            "units": list(self.answer.units) or [""] * len(self.answer.names),
        }

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """The number of each name."""
        return {NAME: by_name(self.answer.names, prediction)}

    def _in_units(self) -> list[str]:
        pairs = zip(self.answer.names, self.answer.units, strict=True)
        return [f"{name} in {unit}" if unit else name for name, unit in pairs]


_: type[AnswerOnDevice] = NumbersOnDevice
