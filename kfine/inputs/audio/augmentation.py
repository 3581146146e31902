"""Random variation of recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kfine.console import Console
from kfine.inputs.audio.log_mel import RATE

# Of recorded noise, in decibels.
_RATIO = (0.0, 30.0)


class Varied(keras.layers.Layer):
    """A layer that varies recordings, each in its own way."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.generator: Any = keras.random.SeedGenerator(0)

    def call(self, sounds: Any, training: bool = True) -> Any:
        """Recordings `(batch, samples)`, as int16 has them, as they are or varied; float32."""
        sounds = keras.ops.cast(sounds, "float32")
        if not training:
            return sounds
        count = keras.ops.shape(sounds)[0]

        def drawn(low: float, high: float) -> Any:
            return keras.random.uniform((count, 1), low, high, seed=self.generator)

        return keras.ops.clip(self.varied(sounds, drawn), -32768.0, 32767.0)

    def varied(self, sounds: Any, drawn: Callable[[float, float], Any]) -> Any:
        """Varied recordings.

        Args:
            sounds: float32 `(batch, samples)`.
            drawn: From the lowest and the highest to a number for each, `(batch, 1)`.
        """
        raise NotImplementedError


class RandomSound(Varied):
    """Louder or quieter, earlier or later, with noise, gaps: each recording in its own way.

    Args:
        gain: Largest change in loudness, in decibels, to either side.
        shift: Largest shift in seconds to either side; what is left empty is silent.
        noise: Signal to noise ratio of white noise in decibels, lowest and highest; `None` adds
            none.
        band: Widest band of tones that is silenced, in Hz, and
        gap: longest stretch that is silenced, in seconds: SpecAugment (Park et al., 2019,
            https://arxiv.org/abs/1904.08779) before the spectrogram.
    """

    def __init__(
        self,
        *,
        gain: float = 0.0,
        shift: float = 0.0,
        noise: tuple[float, float] | None = None,
        band: float = 0.0,
        gap: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.gain, self.shift = gain, shift
        self.noise = None if noise is None else tuple(noise)
        self.band, self.gap = band, gap

    def varied(self, sounds: Any, drawn: Callable[[float, float], Any]) -> Any:
        """Shifted, silenced in parts, with noise, louder or quieter."""
        ops, samples = keras.ops, keras.ops.shape(sounds)[1]
        if self.shift:
            far = ops.cast(ops.round(RATE * drawn(-self.shift, self.shift)), "int32")
            places = ops.arange(samples)[None] - far
            there = ops.logical_and(places >= 0, places < samples)
            moved = ops.take_along_axis(sounds, ops.clip(places, 0, samples - 1), axis=1)
            sounds = ops.where(there, moved, 0.0)
        if self.band:
            real, imaginary = ops.rfft(sounds)
            hertz = ops.arange(samples // 2 + 1, dtype="float32") * (RATE / samples)
            heard = _outside(hertz, drawn(0, RATE / 2), drawn(0, self.band))
            sounds = ops.irfft((real * heard, imaginary * heard), samples)
        if self.gap:
            seconds = ops.arange(samples, dtype="float32") / RATE
            sounds *= _outside(seconds, drawn(0, samples / RATE), drawn(0, self.gap))
        if self.noise is not None:
            power = ops.mean(ops.square(sounds), axis=1, keepdims=True)
            level = ops.sqrt(power) * 10 ** (-drawn(*self.noise) / 20)
            sounds += level * keras.random.normal(ops.shape(sounds), seed=self.generator)
        return sounds * 10 ** (drawn(-self.gain, self.gain) / 20)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        mine = {"gain": self.gain, "shift": self.shift, "noise": self.noise}
        return {**super().get_config(), **mine, "band": self.band, "gap": self.gap}


def _outside(places: Any, middle: Any, width: Any) -> Any:
    """float32 `(batch, places)`: 0 inside of a stretch, 1 elsewhere."""
    inside = keras.ops.abs(places[None] - middle) < width / 2
    return 1.0 - keras.ops.cast(inside, "float32")


class MixUp(keras.layers.MixUp):
    """Each recording in a mean with another one of its batch, its label in proportion.

    Zhang et al., 2018, https://arxiv.org/abs/1710.09412.
    """

    def call(self, batch: Any, training: bool = True) -> Any:
        """A dict of `images`, which are recordings `(batch, samples)`, and `labels`."""
        # Keras mixes images.
        images = {**batch, "images": batch["images"][:, None, :, None]}
        mixed = super().call(images, training=training)
        return {**mixed, "images": mixed["images"][:, 0, :, 0]}


def sound_augmentation(
    strength: str, *, noise: str | None = None, mix: str = "none", channel: str = "mean"
) -> list[Any]:
    """Layers that vary recordings, `(batch, samples)` as int16 has them.

    Args:
        strength: `"none"`, `"light"` (loudness, small shifts, faint noise) or `"strong"` (more of
            each, a band of tones and a stretch silenced).
        noise: Folder of recordings to put under three quarters of the others, 0 to 30 dB below.
        mix: `"none"`, or `"mixup"` for targets that are numbers for each class.
        channel: What is heard of noise with two channels.

    Raises:
        DataError: The folder of noise is missing or has no recording.
    """
    layers: list[Any] = []
    if strength == "light":
        layers = [RandomSound(gain=6.0, shift=0.1, noise=(15.0, 50.0))]
    elif strength == "strong":
        layers = [RandomSound(gain=12.0, shift=0.2, noise=(5.0, 40.0), band=1200.0, gap=0.12)]
    if noise:
        from kfine.inputs.audio.noise import RandomNoise, read_noise

        layers.append(RandomNoise(read_noise(noise, channel, Console()), ratio=_RATIO))
    return [*layers, MixUp(alpha=0.2)] if mix == "mixup" else layers
