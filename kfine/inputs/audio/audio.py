"""Recordings as a model's input: the one preprocessing that training, evaluation, export share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kfine.errors import ConfigError, PresetError
from kfine.inputs import Encoded, Examples, Input, Mistake, ReadFile, Request
from kfine.inputs.audio.decoding import CHANNELS, Sound
from kfine.inputs.audio.log_mel import BANDS, RATE, frames_of, log_mel, picture, samples_of
from kfine.inputs.mistakes import draw_mistakes
from kfine.inputs.places import SoundPlaces
from kfine.presets import Preset

if TYPE_CHECKING:
    import numpy as np

    from kfine.inputs.audio.device import AudioOnDevice

# What a damaged file wants may be absurd.
_MOST_FRAMES = 6000
# Frames of YAMNet, of 0.975 seconds.
_USUAL_FRAMES = 96


@dataclass(frozen=True)
class Audio:
    """Windows of recordings to spectrograms, or to pictures of those.

    A recording is 16 kHz, one channel. What is shorter than a window is silent at its end; what is
    longer is cut into windows that do not overlap, but for the last one, which ends where the
    recording does. An answer takes the mean over them.

    Attributes:
        frames: Of a spectrogram: one each 10 ms.
        channel: What is heard of two channels: "mean", "left" or "right".
        scale: Of pictures in 0..255, one factor or one for each channel; `None` for networks that
            take spectrograms.
        offset: Of pictures, summands.
    """

    kind: ClassVar[str] = "audio"
    each: ClassVar[str] = "a recording"
    many: ClassVar[str] = "recordings"
    places = SoundPlaces
    timed: ClassVar[bool] = True
    # Whether the last window ends where the recording does, else it is silent behind that.
    overlaps: ClassVar[bool] = True

    frames: int = _USUAL_FRAMES
    channel: str = "mean"
    scale: tuple[float, ...] | None = None
    offset: tuple[float, ...] = (0.0,)

    @property
    def samples(self) -> int:
        """Of a window."""
        return samples_of(self.frames)

    @property
    def rest(self) -> int:
        """Samples at the end that make no window: a tenth says nothing that the others do not."""
        return self.samples // 10

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the backbone expects, without the batch."""
        if self.scale is None:
            return (self.frames, BANDS)
        return (2 * self.frames, 2 * BANDS, 3)

    @property
    def prepare(self) -> Callable[[Any], Any]:
        """From a batch of stored windows to the model's input."""
        return self._prepared

    def _prepared(self, rows: Any) -> Any:
        import tensorflow as tf

        return self.seen(tf.cast(rows, tf.float32) / 32768.0)

    def seen(self, samples: Any) -> Any:
        """float32 `(batch, samples)` of -1 to 1 to float32 `(batch, *shape)`."""
        found = log_mel(samples)
        return found if self.scale is None else picture(found, self.scale, self.offset)

    def encode(self, examples: Any) -> Encoded:
        """Recordings as int16 `(windows, samples)`.

        Raises:
            DataError: One is no recording.
        """
        import numpy as np

        from kfine.inputs.audio.decoding import as_sound

        sounds = [as_sound(one) for one in examples]
        firsts = [self.firsts(len(one)) for one in sounds]
        owner = np.repeat(np.arange(len(sounds)), [len(one) for one in firsts])
        rows = np.zeros((len(owner), self.samples), np.int16)
        row = 0
        for sound, starts in zip(sounds, firsts, strict=True):
            for start in starts:
                part = sound[start : start + self.samples]
                rows[row, : len(part)] = part
                row += 1
        return Encoded(rows, SoundPlaces(owner))

    def firsts(self, length: int) -> list[int]:
        """Where the windows of a recording of so many samples begin."""
        *starts, last = range(0, max(1, length - self.rest), self.samples)
        if self.overlaps:
            last = max(0, min(last, length - self.samples))
        return [*starts, last]

    def requested(self, request: Request) -> Examples:
        """Sound files; a folder stands for all files below it."""
        from kfine.inputs.audio.requested import Sounds

        if request.context is not None:
            raise ConfigError("A context is for a model that answers questions; this one does not.")
        return Sounds(request.given, self.channel, self.samples, request.every)

    def settings(self) -> dict[str, Any]:
        """Which channel is heard."""
        return {"channel": self.channel}

    def sizes(self, examples: Sequence[Any]) -> tuple[str, list[int]]:
        """How long they are."""
        return "milliseconds", [round(1000 * len(one) / RATE) for one in examples]

    def cut(self, examples: Sequence[Any]) -> list[int]:
        """All of a recording is in its windows."""
        return []

    def caption(self, example: Sound) -> str:
        """Its length."""
        return f"{len(example) / RATE:.2f} s"

    def write_mistakes(
        self, folder: Path, examples: Any, mistakes: Sequence[Mistake], names: Sequence[str]
    ) -> str:
        """Draw the spectrograms of the worst mistakes in `plots/mistakes.png`.

        What is to be heard lies beside them in `plots/mistakes`, numbered in their order.
        """
        from kfine.drawing.mistakes import MOST_MISTAKES

        name = draw_mistakes(folder, examples, mistakes, names, spectrogram)
        write_sounds((folder / name).with_suffix(""), examples, mistakes[:MOST_MISTAKES])
        return name

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description, read back by `load`."""
        return {"kind": self.kind, **asdict(self)}

    def files(self) -> dict[str, bytes]:
        """There are none beside the description."""
        return {}

    @classmethod
    def load(cls, values: Mapping[str, Any], read: ReadFile) -> Audio:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: A size is absurd.
        """
        frames, channel, scale = int(values["frames"]), str(values["channel"]), values["scale"]
        if not 0 < frames <= _MOST_FRAMES or channel not in CHANNELS:
            raise ValueError(f"it wants {frames} frames of the channel {channel}")
        factors = None if scale is None else tuple(map(float, scale))
        return cls(frames, channel, factors, tuple(map(float, values["offset"])))

    def device(self) -> AudioOnDevice:
        """float32 samples of a window."""
        from kfine.inputs.audio.device import AudioOnDevice

        return AudioOnDevice(self)


def write_sounds(folder: Path, examples: Any, mistakes: Sequence[Mistake]) -> list[str]:
    """Write the recordings of mistakes into a folder, as `01.wav` and so on; their names."""
    from kfine.inputs.audio.device import write_wav

    folder.mkdir(parents=True, exist_ok=True)
    # Those of an earlier evaluation are other mistakes.
    for old in folder.glob("[0-9][0-9].wav"):
        old.unlink()
    names = [f"{place:02}.wav" for place in range(1, len(mistakes) + 1)]
    for name, one in zip(names, mistakes, strict=True):
        write_wav(folder / name, examples[[one.index]][0])
    return names


def spectrogram(sound: Sound) -> np.ndarray:
    """A picture of a recording, uint8 RGB, low tones at the bottom; of its first 10 seconds."""
    import numpy as np
    from matplotlib import colormaps

    frames = max(8, min(1000, frames_of(len(sound) / RATE)))
    row = np.zeros((1, samples_of(frames)), np.float32)
    part = sound[: row.shape[1]]
    row[0, : len(part)] = part / 32768.0
    bands = np.asarray(log_mel(row))[0].T[::-1]
    shares = (bands - bands.min()) / max(1e-6, float(np.ptp(bands)))
    return colormaps["magma"](shares, bytes=True)[..., :3]


def audio_of_preset(preset: Preset, frames: int, channel: str) -> Audio:
    """The preprocessing of a preset: spectrograms where it takes those, pictures of them else.

    Args:
        preset: Of sounds, or of images.
        frames: Of a spectrogram.
        channel: As in `Audio`.
    """
    if preset.takes_spectrograms:
        return Audio(frames, channel)
    from kfine.inputs.image import image_of_preset

    like = image_of_preset(preset, 2 * frames)
    return Audio(frames, channel, like.scale, like.offset)


def check_audio_preset(preset: Preset, seconds: float | None) -> int:
    """Check what a local preset says of itself against sounds.

    Returns:
        The frames of a window.

    Raises:
        PresetError: It takes other windows, or neither spectrograms nor images.
    """
    from kfine.inputs.image import check_image_preset

    frames = _USUAL_FRAMES if seconds is None else frames_of(seconds)
    if not preset.takes_spectrograms:
        check_image_preset(preset, None)
        return frames
    _, fixed, bands = preset.input_shape or (None, None, None)
    if bands != BANDS:
        raise PresetError(
            f"The preset {preset.name!r} takes spectrograms of {bands} bands; kfine makes {BANDS}."
        )
    if fixed is not None and seconds is not None and fixed != frames:
        raise PresetError(
            f"The preset {preset.name!r} hears {samples_of(fixed) / RATE:g} seconds at a time; "
            f"leave out seconds, and longer recordings are cut into windows. Received: {seconds:g}"
        )
    return fixed or frames


_: type[Input] = Audio
