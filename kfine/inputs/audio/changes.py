"""What happens to recordings outside: noise, rooms, distance, telephones."""

from __future__ import annotations

import io

import numpy as np

from kfine.data.changes import Change
from kfine.inputs.audio.log_mel import RATE

_LARGEST = 32767


def _samples(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.clip(values, -_LARGEST - 1, _LARGEST).round().astype(np.int16)
    return found


def noise(sound: np.ndarray, decibels: float, random: np.random.Generator) -> np.ndarray:
    """White noise so far below the mean power of the recording."""
    power = float(np.mean(sound.astype(np.float64) ** 2)) / 10 ** (decibels / 10)
    return _samples(sound + random.normal(0, power**0.5, len(sound)))


def gain(sound: np.ndarray, decibels: float, random: np.random.Generator) -> np.ndarray:
    """Louder or quieter; what is too loud is clipped."""
    return _samples(sound * 10 ** (decibels / 20))


def room(sound: np.ndarray, seconds: float, random: np.random.Generator) -> np.ndarray:
    """An echo that falls by 60 dB in so many seconds, as loud as the recording was."""
    from scipy.signal import fftconvolve

    time = np.arange(max(1, round(seconds * RATE))) / RATE
    echo = random.normal(size=len(time)) * 10 ** (-3 * time / seconds)
    echo[0] = np.abs(echo).max() * 4
    heard = fftconvolve(sound.astype(np.float64), echo)[: len(sound)]
    power = np.sqrt(np.mean(sound.astype(np.float64) ** 2) / max(1e-9, float(np.mean(heard**2))))
    return _samples(heard * power)


def band(sound: np.ndarray, highest: float, random: np.random.Generator) -> np.ndarray:
    """Nothing above so many Hz, as a telephone or a codec leaves it."""
    from scipy.signal import butter, sosfiltfilt

    if len(sound) < 64:
        return sound
    stages = butter(6, highest, fs=RATE, output="sos")
    return _samples(sosfiltfilt(stages, sound.astype(np.float64), padlen=min(27, len(sound) - 1)))


def codec(sound: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    """As Opus leaves it at so many kbit/s, the codec of calls and of voice messages."""
    import soundfile

    kept = io.BytesIO()
    # libsndfile: from 6 to 256 kbit/s of a channel.
    level = 1 - (rate - 6) / 250
    soundfile.write(kept, sound, RATE, format="OGG", subtype="OPUS", compression_level=level)
    kept.seek(0)
    found: np.ndarray = soundfile.read(kept, dtype="int16")[0]
    return found


def speed(sound: np.ndarray, factor: float, random: np.random.Generator) -> np.ndarray:
    """Faster and higher by this factor, or slower and lower by it."""
    factor = factor if random.random() < 0.5 else 1 / factor
    places = np.arange(0, len(sound) - 1, factor)
    return _samples(np.interp(places, np.arange(len(sound)), sound))


def clipped(sound: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Nothing louder than this share of the loudest sample, then as loud as before."""
    largest = float(np.abs(sound.astype(np.float64)).max())
    limit = max(1.0, share * largest)
    return _samples(np.clip(sound, -limit, limit) * (largest / limit))


CHANGES: tuple[Change, ...] = (
    Change("noise", (20, 10, 0), "dB below", noise),
    Change("quiet", (-12, -24, -36), "dB", gain),
    Change("loud", (6, 12, 18), "dB", gain),
    Change("room", (0.2, 0.5, 1.0), "seconds", room),
    Change("telephone", (3400, 2000, 1000), "Hz", band),
    Change("codec", (24, 12, 6), "kbit/s of Opus", codec),
    Change("speed", (1.05, 1.1, 1.2), "times", speed, moves=True),
    Change("clipped", (0.5, 0.25, 0.1), "of the loudest", clipped),
)


def unfamiliar(sound: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    """What a microphone may hear that is none of the classes, as long as a recording."""
    time = np.arange(len(sound)) / RATE
    tone = np.sin(2 * np.pi * random.uniform(200, 2000) * time)
    return {
        "white noise": _samples(random.normal(0, 3000, len(sound))),
        "a tone": _samples(8000 * tone),
        "near silence": _samples(random.normal(0, 3, len(sound))),
    }
