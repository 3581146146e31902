"""Recordings as what goes into an exported file: a window of samples."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.errors import DataError, ExportError
from kfine.inputs import WINDOWS, InputOnDevice, Shapes, Signature
from kfine.inputs.audio.log_mel import (
    BANDS,
    HIGHEST,
    HOP,
    LOWEST,
    OFFSET,
    POINTS,
    RATE,
    WINDOW,
)
from kfine.inputs.places import Places

if TYPE_CHECKING:
    from kfine.inputs.audio.audio import Audio

NAME = "audio"
# What cuts recordings into windows.
PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class AudioOnDevice:
    """float32 samples of one window, -1 to 1.

    Attributes:
        audio: The preprocessing.
    """

    audio: Audio

    forms: ClassVar[Mapping[str, str]] = {
        "fixed": "Takes a window of samples: LiteRT's interpreters and LiteRT.js read it, and "
        "MediaPipe's AudioClassifier where it gives classes.",
    }
    usual_quantize = "float16"

    def stage(self, form: str) -> tuple[Any, Any]:
        """float32 `(batch, samples)` to what the backbone takes."""
        import keras

        from kfine.inputs.audio.raw_audio import RawAudio

        raw = keras.Input((self.audio.samples,), dtype="float32", name=NAME)
        return raw, RawAudio(self.audio)(raw)

    def tensors(self, example: Any, form: str) -> tuple[dict[str, np.ndarray], Places]:
        """float32 `(windows, samples)`."""
        try:
            encoded = self.audio.encode([example])
        except DataError as error:
            raise ExportError(str(error)) from None
        return {NAME: encoded.rows.astype(np.float32) / np.float32(32768)}, encoded.places

    def sample(self) -> dict[str, np.ndarray]:
        """Noise."""
        noise = np.random.default_rng(0).normal(0, 0.1, (1, self.audio.samples))
        return {NAME: np.clip(noise, -1, 1).astype(np.float32)}

    def check_shapes(self, shapes: Shapes, form: str) -> None:
        """One window, of as many samples as the description says."""
        (shape,) = shapes.values()
        if shape[1:] != (self.audio.samples,):
            raise ValueError(f"its input of the shape {shape} is no {self.audio.samples} samples")

    def misfit(self, format: str, quantize: str, form: str) -> str:
        """Spectrograms are computed in float, of windows of one length."""
        if format == "trainable":
            return "A model of sounds does not learn on the phone: use another format."
        if format == "onnx":
            return (
                "tf2onnx does not convert the Fourier transform of the spectrogram: use the format "
                "tflite, saved_model or openvino. Received: onnx"
            )
        if form != "fixed":
            return f"A file for sounds takes one window, so its input is fixed. Received: {form}"
        if quantize in ("int8-full", "int16"):
            return (
                "The spectrogram is computed in float, also in a file of integers: use quantize "
                f"int8. Received: {quantize}"
            )
        return ""

    def signatures(self, inference: Any, answer: Any) -> dict[str, Signature]:
        """There are no other ways to hand over samples."""
        return {}

    def tensor_metadata(self, builder: Any, form: str) -> list[int]:
        """Rate and channels; MediaPipe's AudioClassifier reads this."""
        from kfine.inputs.audio.metadata import audio_tensor

        return [audio_tensor(builder, RATE, self.audio.samples)]

    def portable(self, example: Any) -> Any:
        """The first window."""
        return example[: self.audio.samples]

    def describe(self, form: str) -> dict[str, Any]:
        """What lies between a recording and the model, JSON-able."""
        return {
            "input": {
                "name": NAME,
                "shape": [1, self.audio.samples],
                "dtype": "float32",
                "rate": RATE,
                "channels": 1,
                "range": [-1, 1],
            },
            "spectrogram": {
                "window": f"Hann, {WINDOW} samples every {HOP}",
                "points": POINTS,
                "bands": BANDS,
                "hertz": [LOWEST, HIGHEST],
                "formula": f"log(mel + {OFFSET:g})",
                "where": "in the graph",
            },
        }

    def keep(self, example: Any, folder: Path, stem: str) -> tuple[Any, dict[str, Any]]:
        """`STEM.wav`, one window."""
        kept = self.portable(example)
        write_wav(folder / f"{stem}.wav", kept)
        return kept, {"recording": f"{stem}.wav"}

    def write_programs(self, folder: Path) -> None:
        """The programs need nothing beside the model."""

    def programs(self, needs: type[Places] | None) -> list[Path]:
        """They cut recordings into windows, and take the mean over them."""
        return [PROGRAMS, WINDOWS]

    def program_values(self) -> dict[str, Any]:
        """Samples of a window."""
        return {
            "each": "a recording",
            "given": self.given,
            "rate": RATE,
            "samples": self.audio.samples,
            "rest": self.audio.rest,
            "overlaps": self.audio.overlaps,
        }

    @property
    def given(self) -> str:
        """What a program is handed."""
        return (
            f"Samples at {RATE} Hz, one channel, -1 to 1. A longer recording is cut into windows, "
            "over which the result is the mean; of a microphone, hand over the last "
            f"{self.audio.samples} samples every half second."
        )

    def card_use(self, form: str, output: str, programs: str) -> str:
        """What goes in and what comes out."""
        samples = self.audio.samples
        snippets = (
            f"`snippets/` has programs for {programs}, which cut longer recordings into windows; "
            if programs
            else ""
        )
        return (
            f"In: {samples} samples ({samples / RATE:g} seconds) at {RATE} Hz, one channel, "
            f"float32 of -1 to 1; what is shorter is silent at its end. Out: {output} The "
            f"spectrogram is in the graph. {snippets}`golden/` has recordings with which to check "
            "a port."
        )


def write_wav(path: Path, sound: Any) -> None:
    """A recording as a file of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.asarray(sound, "<i2").tobytes())


_: type[InputOnDevice] = AudioOnDevice
