"""Recordings of noise that training sounds are mixed with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kfine.console import Console
from kfine.errors import DataError
from kfine.inputs.audio.augmentation import Varied
from kfine.inputs.audio.decoding import decode_sound
from kfine.inputs.audio.log_mel import RATE
from kfine.inputs.walking import Files

# Seconds of all noise together: more says little else and takes memory.
MOST = 600


class RandomNoise(Varied):
    """Puts a stretch of recorded noise under each recording, louder or quieter.

    Args:
        noise: int16 `(samples,)` at 16 kHz, of which each recording gets a stretch of its own
            length from anywhere; it goes round at its end.
        ratio: Signal to noise in decibels, lowest and highest.
        share: Of the recordings that get any, fraction 0 to 1.
    """

    def __init__(
        self,
        noise: NDArray[np.int16],
        *,
        ratio: tuple[float, float],
        share: float = 0.75,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.noise, self.ratio, self.share = noise, tuple(ratio), share

    def varied(self, sounds: Any, drawn: Callable[[float, float], Any]) -> Any:
        """With a stretch of noise under some of them."""
        ops, samples, length = keras.ops, keras.ops.shape(sounds)[1], len(self.noise)
        firsts = ops.cast(ops.floor(drawn(0.0, 1.0) * length), "int32")
        places = ops.mod(firsts + ops.arange(samples)[None], length)
        noise = ops.cast(ops.take(ops.convert_to_tensor(self.noise), places), "float32")
        power, own = (ops.mean(ops.square(one), axis=1, keepdims=True) for one in (sounds, noise))
        level = ops.sqrt(power / ops.maximum(own, 1.0)) * 10 ** (-drawn(*self.ratio) / 20)
        level *= ops.cast(drawn(0.0, 1.0) < self.share, "float32")
        return sounds + level * noise

    def get_config(self) -> dict[str, Any]:
        """The arguments, the noise by its content."""
        digest = hashlib.sha256(np.ascontiguousarray(self.noise).data).hexdigest()
        mine = {"noise": digest, "ratio": self.ratio, "share": self.share}
        return {**super().get_config(), **mine}


def read_noise(folder: str, channel: str, console: Console) -> NDArray[np.int16]:
    """All recordings below a folder, one after the other; at most ten minutes.

    Args:
        folder: Or one file.
        channel: As in `decode_sound`.
        console: Hears of files that cannot be read.

    Raises:
        DataError: There is no such folder, or no recording in it that is not silent.
    """
    files = Files([folder], "folder of noise", lambda path: [_decoded(path, channel)])
    found, held = [], 0
    for _, sounds in files.read(console):
        for sound in sounds:
            found.append(sound[: MOST * RATE - held])
            held += len(found[-1])
        if held >= MOST * RATE:
            break
    if not held:
        raise DataError(f"noise names a folder of recordings. Received: {folder}, with none")
    return np.concatenate(found)


def _decoded(path: Path, channel: str) -> NDArray[np.int16]:
    sound = decode_sound(path, channel)
    if sound.silent:
        raise DataError("is silent all over")
    return sound.samples
