"""Sound files to samples."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kfine.data.files import read_file
from kfine.errors import DataError
from kfine.inputs.audio.log_mel import RATE

Sound = NDArray[np.int16]

CHANNELS = ("mean", "left", "right")
# Hz: what recorders and converters make.
_RATES = (1_000, 768_000)
# A recording is quieter nowhere but where nothing was recorded; of the largest value.
_SILENT = 1e-3
# The share of samples at the largest value from which a recording counts as clipped.
_CLIPPED = 0.005
_OFFSET = 0.05
# How much louder one channel is than the other where only one was recorded.
_LOUDER = 10.0
_CONTAINERS = (b"ftyp", b"moov", b"mdat")


@dataclass(frozen=True)
class Decoded:
    """A recording at 16 kHz.

    Attributes:
        samples: int16 `(samples,)`.
        seconds: How long it is.
        silent: Whether it is so all over.
        clipped: Whether many samples are at the largest value.
        offset: Whether its mean is far from zero.
        one_sided: Whether one of two channels is far louder than the other.
        narrow: Whether its file has fewer than 16,000 samples a second, so that high tones lack.
    """

    samples: Sound
    seconds: float
    silent: bool = False
    clipped: bool = False
    offset: bool = False
    one_sided: bool = False
    narrow: bool = False


def decode_sound(source: bytes | Path, channel: str = "mean", longest: float = np.inf) -> Decoded:
    """Read WAV, FLAC, OGG, MP3 and what else libsndfile reads.

    Args:
        source: The file, or its content.
        channel: What is heard of two channels: their "mean", "left" or "right".
        longest: Seconds; longer recordings are refused before they are decoded.

    Returns:
        The recording at 16 kHz, one channel.

    Raises:
        DataError: A short reason: it is no sound file, empty, or longer than that.
    """
    with opened(source if isinstance(source, bytes) else read_file(source)) as file:
        rate, frames = int(file.samplerate), int(file.frames)
        if not _RATES[0] <= rate <= _RATES[1]:
            raise DataError(f"says that it has {rate:,} samples a second")
        if frames > longest * rate:
            raise DataError(
                f"is {frames / rate / 60:.0f} minutes long: cut it into recordings of at most "
                f"{longest / 60:g}, or list parts of it with start and end in a manifest"
            )
        values = file.read(dtype="float32", always_2d=True)
    if not len(values):
        raise DataError("holds no samples")
    if not np.isfinite(values).all():
        raise DataError("holds samples that are no numbers")
    mono = _one_channel(values, channel)
    loudest = float(np.abs(values).max())
    return Decoded(
        at_rate(mono, rate),
        len(values) / rate,
        silent=loudest < _SILENT,
        clipped=bool(np.mean(np.abs(values) >= 0.999) > _CLIPPED),
        offset=abs(float(mono.mean())) > _OFFSET,
        one_sided=_one_sided(values),
        narrow=rate < RATE,
    )


@contextmanager
def opened(source: bytes | Path) -> Iterator[Any]:
    """The `soundfile.SoundFile` of a file, or of its content; of the former it reads what it needs.

    Raises:
        DataError: A short reason: it, or what is read of it, is no sound file.
    """
    import soundfile

    try:
        given = io.BytesIO(source) if isinstance(source, bytes) else str(source)
        with soundfile.SoundFile(given) as file:
            yield file
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        content = source if isinstance(source, bytes) else read_file(source)
        raise DataError(_unreadable(content, str(error))) from None


def as_sound(example: object) -> Sound:
    """Samples at 16 kHz as people have them: int16, or floats of -1 to 1; channels are averaged.

    Raises:
        DataError: It is no sound.
    """
    values = np.asarray(example)
    if values.ndim == 2 and 1 <= values.shape[1] <= 8:
        values = values.mean(axis=1).astype(values.dtype)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "if":
        raise DataError(
            "A recording is an array of samples at 16 kHz, int16 or floats of -1 to 1. Received: "
            f"shape {values.shape} of {values.dtype}"
        )
    if values.dtype == np.int16:
        return values
    if values.dtype.kind == "f" and np.isfinite(values).all():
        return _as_int16(values)
    raise DataError(f"Samples are int16, or floats of -1 to 1. Received: {values.dtype}")


def at_rate(samples: NDArray[np.float32], rate: int) -> Sound:
    """Samples of another rate in Hz at 16 kHz."""
    if rate != RATE:
        import soxr

        samples = soxr.resample(samples, rate, RATE)
    return _as_int16(samples)


def _as_int16(samples: NDArray[np.floating]) -> Sound:
    found: Sound = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return found


def _one_channel(values: NDArray[np.float32], channel: str) -> NDArray[np.float32]:
    if channel == "mean" or values.shape[1] == 1:
        found: NDArray[np.float32] = values.mean(axis=1)
        return found
    return np.ascontiguousarray(values[:, CHANNELS.index(channel) - 1])


def _one_sided(values: NDArray[np.float32]) -> bool:
    if values.shape[1] != 2:
        return False
    quiet, loud = sorted(np.sqrt(np.mean(np.square(values), axis=0)).tolist())
    return bool(loud > _SILENT and loud > _LOUDER * quiet)


def _unreadable(content: bytes, reason: str) -> str:
    if content[4:8] in _CONTAINERS or content[:4] == b"\x1aE\xdf\xa3":
        return (
            "is a video or AAC in a container, which libsndfile does not read: make WAV or FLAC of "
            "it, such as with ffmpeg -i FILE FILE.wav"
        )
    words = reason.rpartition(": ")[2].strip().rstrip(".") or reason
    return f"no sound file that can be read ({words[:1].lower()}{words[1:]})"
