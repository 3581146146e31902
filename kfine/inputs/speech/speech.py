"""Recordings of speech as the input of Whisper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kfine.errors import DataError, PresetError
from kfine.inputs import Input, Mistake, ReadFile
from kfine.inputs.audio.audio import Audio
from kfine.inputs.audio.decoding import CHANNELS
from kfine.inputs.audio.log_mel import HOP, RATE
from kfine.inputs.audio.whisper_mel import BANDS, whisper_mel
from kfine.presets import Preset

if TYPE_CHECKING:
    from kfine.inputs.speech.device import SpeechOnDevice

# Whisper was trained on half a minute at a time.
LONGEST = 30.0
# What it hears without training as well as half a minute; less makes it repeat itself.
_USUAL = 10.0


@dataclass(frozen=True)
class Speech(Audio):
    """Windows of recordings to spectrograms of 80 bands or more.

    A recording is 16 kHz, one channel. What is shorter than a window is silent at its end; what is
    longer is cut into windows that do not overlap, one after the other. Words at a cut may be
    lost.

    Attributes:
        frames: Of a spectrogram: one each 10 ms.
        channel: As in `Audio`.
        bands: Of the network.
    """

    kind: ClassVar[str] = "speech"
    # What is heard twice would be written down twice.
    overlaps: ClassVar[bool] = False

    frames: int = round(100 * _USUAL)
    bands: int = BANDS

    @property
    def samples(self) -> int:
        """Of a window."""
        return self.frames * HOP

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the encoder expects, without the batch."""
        return (self.frames, self.bands)

    def seen(self, samples: Any) -> Any:
        """float32 `(batch, samples)` of -1 to 1 to float32 `(batch, frames, bands)`."""
        return whisper_mel(samples, self.bands)

    @property
    def rest(self) -> int:
        """A tenth of a second at the end is no word."""
        return RATE // 10

    def write_mistakes(
        self, folder: Path, examples: Any, mistakes: Sequence[Mistake], names: Sequence[str]
    ) -> str:
        """Transcripts as a page with the sounds; classes as pictures of them."""
        if names:
            return super().write_mistakes(folder, examples, mistakes, names)
        from kfine.inputs.speech.mistakes import write_mistakes

        return write_mistakes(folder, examples, mistakes)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description, read back by `load`."""
        return {
            "kind": self.kind,
            "frames": self.frames,
            "channel": self.channel,
            "bands": self.bands,
        }

    @classmethod
    def load(cls, values: Mapping[str, Any], read: ReadFile) -> Speech:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: A size is absurd.
        """
        frames, channel, bands = (
            int(values["frames"]),
            str(values["channel"]),
            int(values["bands"]),
        )
        if not 0 < frames <= 100 * LONGEST or channel not in CHANNELS or not 0 < bands <= 512:
            raise ValueError(f"it wants {frames} frames of {bands} bands of the channel {channel}")
        return cls(frames=frames, channel=channel, bands=bands)

    def device(self) -> SpeechOnDevice:
        """float32 samples of a window."""
        from kfine.inputs.speech.device import SpeechOnDevice

        return SpeechOnDevice(self)


def heard_window(lengths: Sequence[int], seconds: float | None) -> int:
    """The frames of a window in which every recording to learn from has room.

    Args:
        lengths: Samples of each.
        seconds: As a user wishes; `None` for 10, or 20 or 30 where one is longer.

    Raises:
        DataError: A recording is longer than the window.
    """
    longest = max(lengths, default=0) / RATE
    chosen = seconds
    if chosen is None:
        rooms = (_USUAL, 2 * _USUAL, LONGEST)
        chosen = next((one for one in rooms if longest <= one), LONGEST)
    longer = sum(one > round(chosen * RATE) for one in lengths)
    if longer:
        raise DataError(
            f"{longer} of {len(lengths)} recordings to learn from are longer than the "
            f"{chosen:g} seconds that are heard at a time, the longest {longest:.1f}: their words "
            "cannot be told apart by window. Cut them with the columns start and end of a "
            f"manifest, or give seconds up to {LONGEST:g}"
        )
    # The encoder halves the frames.
    return max(2, 2 * round(50 * chosen))


def check_speech_preset(preset: Preset) -> None:
    """Check what a local preset says of itself: it must be Whisper.

    Raises:
        PresetError: It is something else.
    """
    if preset.folder is None:
        return
    if not preset.is_whisper:
        found = str(preset.read_json("config.json").get("class_name", "a plain Keras model"))
        raise PresetError(
            "Speech is recognised by presets of Whisper, such as whisper_tiny_en. Received: "
            f"{preset.name!r}, which is {found}"
        )


_: type[Input] = Speech
