"""Boxes after non-max suppression, as an exported file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import AnswerOnDevice, Described, TensorsOnly
from kfine.answers.boxes.objects import LEAST, MOST

if TYPE_CHECKING:
    from kfine.answers.boxes.boxes import Boxes


@dataclass(frozen=True)
class BoxesOnDevice(TensorsOnly):
    """Locations, categories, scores and how many; MediaPipe's ObjectDetector reads them.

    Attributes:
        answer: The boxes.
    """

    answer: Boxes

    programs = (Path(__file__).parent / "programs",)
    right = ""
    same = "agreement with Keras (mAP)"
    timed = ""
    counted = "objects"

    @property
    def tensors(self) -> tuple[Described, ...]:
        """float32, the surest first."""
        return (
            Described(
                "locations",
                ("location", "Left, top, right and bottom of each box, fractions of the image."),
                f"{MOST}, 4",
                (0.0, 1.0),
                rank=2,
                boxes=True,
            ),
            Described(
                "categories",
                ("category", "The number of the class of each box."),
                f"{MOST}",
                labels=self.answer.names,
                values_named=True,
            ),
            Described("scores", ("score", "The confidence in each box."), f"{MOST}", (0.0, 1.0)),
            Described("count", ("number of detections", "How many boxes there are."), "", rank=0),
        )

    def describe(self, quantize: str) -> dict[str, Any]:
        """float32, all four of them."""
        return {"names": [one.name for one in self.tensors], "dtype": "float32"}

    def misfit(self, format: str, quantize: str) -> str:
        """Suppression computes in float, and for one image."""
        if format == "trainable":
            return (
                "A file that goes on learning on the phone tells whole examples apart; use the "
                "format tflite. Received: trainable"
            )
        if quantize == "int8-full":
            return "Boxes are chosen in float: use quantize int8. Received: int8-full"
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """Which classes it finds."""
        names = self.answer.names
        count = f", of {len(names)} classes" if counted else ""
        return f"Finds things in {many} with a box around each{count}: {', '.join(names)}."

    def words(self, dtype: str) -> str:
        """Four tensors."""
        return (
            f"at most {MOST} boxes (float32), the surest first: `locations` (left, top, right, "
            "bottom as fractions of the photo), `categories` (numbers of the classes in the order "
            f"above), `scores` (confidences from {LEAST} on) and `count`, how many there are. What "
            f"has a confidence of {self.answer.threshold:g} or more counts as found."
        )

    def limits(self) -> str:
        """What is unknown is no box."""
        return "It knows these classes only, and overlooks things that are very small in the photo."

    def program_values(self) -> dict[str, Any]:
        """`Detector.detect`."""
        return {
            "does": "Find the objects in",
            "name": "Detector",
            "verb": "detect",
            "program": "detect",
            "result": "The class, confidence and box (left, top, right, bottom, as fractions of "
            "the photo) of each object, the surest first.",
            "least": self.answer.threshold,
        }

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """What was found for sure, in fractions of the photo."""
        return {"objects": self.answer.describe(replace(prediction, size=None))}


_: type[AnswerOnDevice] = BoxesOnDevice
