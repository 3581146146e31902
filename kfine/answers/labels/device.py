"""The probabilities of labels, as an exported file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import NAMED, AnswerOnDevice, Described, TensorsOnly, fractions_in_file
from kfine.answers.golden import by_name

if TYPE_CHECKING:
    from kfine.answers.labels.labels import Labels

NAME = "probabilities"


@dataclass(frozen=True)
class LabelsOnDevice(TensorsOnly):
    """One probability for each label, each on its own.

    Attributes:
        answer: The labels.
    """

    answer: Labels

    programs = (NAMED, NAMED / "ranked")
    right = "share of examples with exactly their labels"
    same = "labels in common with Keras (macro F1)"
    timed = ""

    @property
    def tensors(self) -> tuple[Described, ...]:
        """float32 `(batch, labels)`."""
        meaning = "probability", "Probability of each label; they do not sum to 1."
        return (Described(NAME, meaning, "labels", (0.0, 1.0), self.answer.names),)

    def describe(self, quantize: str) -> dict[str, Any]:
        """uint8 in an integer file, else float32."""
        return fractions_in_file(NAME, quantize)

    def misfit(self, format: str, quantize: str) -> str:
        """What learns on the phone is a softmax."""
        if format == "trainable":
            return (
                "A file that goes on learning on the phone tells classes apart, of which each "
                "example has one; use the format tflite. Received: trainable"
            )
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """Which labels it gives."""
        names = self.answer.names
        count = f" of {len(names)} labels" if counted else ""
        return f"Gives {many} any{count or ' number of labels'}: {', '.join(names)}."

    def words(self, dtype: str) -> str:
        """Probabilities in the order of the labels."""
        return (
            f"{len(self.answer.names)} probabilities ({dtype}), in the order above and of "
            "`labels.txt` inside the file. Each stands alone; a label is given from 0.5 on."
        )

    def limits(self) -> str:
        """It has no word for anything else."""
        return "It knows these labels only."

    def program_values(self) -> dict[str, Any]:
        """`Labeler.label`."""
        return {
            "does": "Label",
            "name": "Labeler",
            "verb": "label",
            "program": "label",
            "result": "Label to probability; an example has those of 0.5 or more.",
        }

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """The labels that are given, and the probability of each."""
        return {
            "labels": list(self.answer.settle(prediction)),
            NAME: by_name(self.answer.names, prediction),
        }


_: type[AnswerOnDevice] = LabelsOnDevice
