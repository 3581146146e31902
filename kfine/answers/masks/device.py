"""The confidence in each class for each pixel, as an exported file gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import AnswerOnDevice, Described, TensorsOnly, fractions_in_file
from kfine.answers.golden import by_name

if TYPE_CHECKING:
    from kfine.answers.masks.masks import Masks

NAME = "confidences"
_NO_ACTIVATION = 0


@dataclass(frozen=True)
class MasksOnDevice(TensorsOnly):
    """A map of confidences for each class; MediaPipe's ImageSegmenter reads it.

    Attributes:
        answer: The masks.
    """

    answer: Masks

    programs = (Path(__file__).parent / "programs",)
    right = ""
    same = "agreement with Keras (mean IoU)"
    timed = ""
    counted = "pixels"

    @property
    def tensors(self) -> tuple[Described, ...]:
        """float32 `(batch, height, width, classes)`."""
        meaning = "confidence", "Confidence in each class, for each pixel."
        axes = "height, width, classes"
        return (Described(NAME, meaning, axes, (0.0, 1.0), self.answer.names, rank=3),)

    def custom_metadata(self) -> dict[str, bytes]:
        """For MediaPipe's ImageSegmenter: the confidences need no softmax any more.

        https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/image_segmenter_metadata_schema.fbs
        """
        import flatbuffers

        builder = flatbuffers.Builder(0)
        builder.StartObject(2)
        # Written though it is the default, so that the reader need not guess.
        builder.ForceDefaults(True)
        builder.PrependInt8Slot(0, _NO_ACTIVATION, 0)
        builder.Finish(builder.EndObject(), file_identifier=b"V001")
        return {"SEGMENTER_METADATA": bytes(builder.Output())}

    def describe(self, quantize: str) -> dict[str, Any]:
        """uint8 in an integer file, else float32."""
        return fractions_in_file(NAME, quantize)

    def misfit(self, format: str, quantize: str) -> str:
        """What learns on the phone tells whole examples apart."""
        if format == "trainable":
            return (
                "A file that goes on learning on the phone tells whole examples apart; use the "
                "format tflite. Received: trainable"
            )
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """Which classes it finds."""
        names = self.answer.names
        count = f" {len(names)} classes" if counted else ""
        return f"Finds where in {many} something is{count and f', of{count}'}: {', '.join(names)}."

    def words(self, dtype: str) -> str:
        """Maps in the order of the labels."""
        height, width = self.answer.size
        return (
            f"{height} x {width} pixels with {len(self.answer.names)} confidences each ({dtype}), "
            "in the order above and of `labels.txt` inside the file; they sum to 1 in each pixel, "
            "whose class is that of the largest. Stretch the map over the photo."
        )

    def limits(self) -> str:
        """Every pixel has a class."""
        return "It knows these classes only, and gives each pixel one of them."

    def program_values(self) -> dict[str, Any]:
        """`Segmenter.segment`."""
        return {
            "does": "Find the classes of the pixels of",
            "name": "Segmenter",
            "verb": "segment",
            "program": "segment",
            "result": "The number of the class of each pixel, row by row, and the share of each.",
        }

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """`STEM.mask.png` has the number of each pixel's class; and the share of each class."""
        from PIL import Image

        numbers = np.asarray(finished[NAME])[0].argmax(axis=-1).astype(np.uint8)
        Image.fromarray(numbers).save(folder / f"{stem}.mask.png")
        counts = np.bincount(numbers.ravel(), minlength=len(self.answer.names))
        shares = by_name(self.answer.names, counts / numbers.size)
        return {"mask": f"{stem}.mask.png", "shares": shares}


_: type[AnswerOnDevice] = MasksOnDevice
