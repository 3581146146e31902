"""Several answers, as an exported file gives them: a tensor for each, called after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import AnswerOnDevice, Described, TensorsOnly
from kfine.answers.several.several import tensors_of

if TYPE_CHECKING:
    from kfine.answers.several.several import Several


@dataclass(frozen=True)
class SeveralOnDevice(TensorsOnly):
    """The tensors of all parts.

    Attributes:
        answer: The parts.
    """

    answer: Several

    timed = ""

    @property
    def programs(self) -> tuple[Path, ...]:
        """Where each part is one number for each name."""
        plain = all(one.rank == 1 and one.labels for one in self.tensors)
        return (Path(__file__).parent / "programs",) if plain else ()

    @property
    def right(self) -> str:
        """That of the first part."""
        word = self.answer.decides.device().right
        return f"{self.answer.first}: {word}" if word else ""

    @property
    def same(self) -> str:
        """That of the first part."""
        return f"{self.answer.first}: {self.answer.decides.device().same}"

    @property
    def tensors(self) -> tuple[Described, ...]:
        """Those of all parts, the first part's first."""
        parts = sorted(self.answer.parts.items(), key=lambda item: item[0] != self.answer.first)
        return tuple(
            replace(one, name=tensors_of(name, part)[one.name])
            for name, part in parts
            for one in part.device().tensors
        )

    def describe(self, quantize: str) -> dict[str, Any]:
        """What the parts say, by name."""
        parts = {name: part.device().describe(quantize) for name, part in self.answer.parts.items()}
        return {"parts": parts, "dtype": "float32"}

    def misfit(self, format: str, quantize: str) -> str:
        """Why a part cannot be in a file; integers out are a matter of one tensor."""
        if quantize == "int8-full":
            return (
                "Several answers leave a file as floats; use quantize int8, whose outputs are "
                "floats. Received: int8-full"
            )
        if format == "trainable":
            return (
                "A file that goes on learning on the phone has one answer; use the format "
                "tflite. Received: trainable"
            )
        reasons = (part.device().misfit(format, quantize) for part in self.answer.parts.values())
        return next(filter(None, reasons), "")

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """The purposes of the parts."""
        return " ".join(
            part.device().purpose(many, counted=counted) for part in self.answer.parts.values()
        )

    def words(self, dtype: str) -> str:
        """What each tensor holds."""
        return " ".join(
            f"`{name}`: {part.device().words('float32')}"
            for name, part in self.answer.parts.items()
        )

    def limits(self) -> str:
        """Those of the parts."""
        return " ".join(part.device().limits() for part in self.answer.parts.values())

    def program_values(self) -> dict[str, Any]:
        """`Predictor.predict`."""
        named = self.answer.parts.items()
        results = [f"{name}: {part.device().program_values()['result']}" for name, part in named]
        return {
            "does": "Predict several things of",
            "name": "Predictor",
            "verb": "predict",
            "program": "predict",
            "result": " ".join(results),
        }

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """What the parts keep, by name."""
        kept = {}
        for name, part in self.answer.parts.items():
            own = {key: finished[joined] for key, joined in tensors_of(name, part).items()}
            kept[name] = part.device().keep(own, prediction[name], folder, f"{stem}-{name}")
        return kept


_: type[AnswerOnDevice] = SeveralOnDevice
