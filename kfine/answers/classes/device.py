"""The probabilities of classes, as an exported file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import NAMED, AnswerOnDevice, Described, TensorsOnly, fractions_in_file
from kfine.answers.golden import by_name

if TYPE_CHECKING:
    from kfine.answers.classes.classes import Classes

NAME = "probabilities"


@dataclass(frozen=True)
class ClassesOnDevice(TensorsOnly):
    """One probability for each class.

    Attributes:
        answer: The classes.
    """

    answer: Classes

    programs = (NAMED, NAMED / "ranked")
    right = "accuracy"
    same = "same top class"
    timed = ""

    @property
    def tensors(self) -> tuple[Described, ...]:
        """float32 `(batch, classes)`."""
        meaning = "probability", "Probability of each class."
        return (Described(NAME, meaning, "classes", (0.0, 1.0), self.answer.names),)

    def describe(self, quantize: str) -> dict[str, Any]:
        """uint8 in an integer file, else float32."""
        return fractions_in_file(NAME, quantize)

    def misfit(self, format: str, quantize: str) -> str:
        """Every file can give this."""
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """Which classes it tells apart."""
        names = self.answer.names
        count = f" {len(names)} classes" if counted else ""
        return f"Classifies {many} into{count}: {', '.join(names)}."

    def words(self, dtype: str) -> str:
        """Probabilities in the order of the labels."""
        return (
            f"{len(self.answer.names)} probabilities ({dtype}), in the order above and of "
            "`labels.txt` inside the file."
        )

    def limits(self) -> str:
        """It has no word for anything else."""
        return "It knows these classes only and answers with them whatever it is given."

    def program_values(self) -> dict[str, Any]:
        """`Classifier.classify`."""
        return {
            "does": "Classify",
            "name": "Classifier",
            "verb": "classify",
            "program": "classify",
            "result": "Class to probability.",
        }

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """The most probable class, and the probability of each."""
        return {
            "top": self.answer.settle(prediction),
            NAME: by_name(self.answer.names, prediction),
        }


_: type[AnswerOnDevice] = ClassesOnDevice
