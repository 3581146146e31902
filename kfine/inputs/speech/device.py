"""Speech as what goes into an exported file: a window of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.inputs import InputOnDevice
from kfine.inputs.audio.device import PROGRAMS, AudioOnDevice
from kfine.inputs.audio.log_mel import HOP, RATE, WINDOW
from kfine.inputs.places import Places, SoundPlaces

if TYPE_CHECKING:
    from pathlib import Path

    from kfine.inputs.speech.speech import Speech


@dataclass(frozen=True)
class SpeechOnDevice(AudioOnDevice):
    """float32 samples of one window, -1 to 1.

    Attributes:
        audio: The preprocessing.
    """

    audio: Speech

    def misfit(self, format: str, quantize: str, form: str) -> str:
        """As of other sounds, but for what keeps it from being ONNX."""
        if format == "onnx":
            return (
                "tf2onnx does not convert the activation of Whisper's encoder (Erfc): use the "
                "format tflite or saved_model. Received: onnx"
            )
        return super().misfit(format, quantize, form)

    def describe(self, form: str) -> dict[str, Any]:
        """What lies between a recording and the model, JSON-able."""
        found = super().describe(form)
        found["spectrogram"] = {
            "window": f"Hann, {WINDOW} samples every {HOP}, the first centred on the first sample",
            "points": WINDOW,
            "bands": self.audio.bands,
            "hertz": [0, RATE // 2],
            "formula": "(max(log10(mel), largest - 8) + 4) / 4",
            "where": "in the graph",
        }
        return found

    def programs(self, needs: type[Places] | None) -> list[Path]:
        """They cut recordings into windows, which an answer goes through or takes the mean of."""
        return [PROGRAMS] if needs is SoundPlaces else super().programs(needs)

    @property
    def given(self) -> str:
        """What a program is handed."""
        return (
            f"Samples at {RATE} Hz, one channel, -1 to 1. A longer recording is cut into windows "
            "that follow on each other."
        )


_: type[InputOnDevice] = SpeechOnDevice
