"""Random variation of recordings."""

from __future__ import annotations

from typing import Any

import keras

from kfine.inputs.audio.log_mel import RATE


class RandomSound(keras.layers.Layer):
    """Louder or quieter, earlier or later, and with noise: each recording in its own way.

    Args:
        gain: Largest change in loudness, in decibels, to either side.
        shift: Largest shift in seconds to either side; what is left empty is silent.
        noise: Signal to noise ratio of white noise in decibels, lowest and highest; `None` adds
            none.
    """

    def __init__(
        self,
        *,
        gain: float = 0.0,
        shift: float = 0.0,
        noise: tuple[float, float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.gain, self.shift = gain, shift
        self.noise = None if noise is None else tuple(noise)
        self.generator: Any = keras.random.SeedGenerator(0)

    def call(self, sounds: Any, training: bool = True) -> Any:
        """Recordings `(batch, samples)`, as int16 has them, as they are or varied; float32."""
        ops = keras.ops
        sounds = ops.cast(sounds, "float32")
        if not training:
            return sounds
        count, samples = ops.shape(sounds)[:2]

        def drawn(low: float, high: float) -> Any:
            return keras.random.uniform((count, 1), low, high, seed=self.generator)

        if self.shift:
            far = ops.cast(ops.round(RATE * drawn(-self.shift, self.shift)), "int32")
            places = ops.arange(samples)[None] - far
            there = ops.logical_and(places >= 0, places < samples)
            moved = ops.take_along_axis(sounds, ops.clip(places, 0, samples - 1), axis=1)
            sounds = ops.where(there, moved, 0.0)
        if self.noise is not None:
            power = ops.mean(ops.square(sounds), axis=1, keepdims=True)
            level = ops.sqrt(power) * 10 ** (-drawn(*self.noise) / 20)
            sounds += level * keras.random.normal(ops.shape(sounds), seed=self.generator)
        sounds *= 10 ** (drawn(-self.gain, self.gain) / 20)
        return ops.clip(sounds, -32768.0, 32767.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        mine = {"gain": self.gain, "shift": self.shift, "noise": self.noise}
        return {**super().get_config(), **mine}


def sound_augmentation(strength: str) -> list[Any]:
    """Layers that vary recordings, `(batch, samples)` as int16 has them.

    Args:
        strength: `"none"`, `"light"` (loudness, small shifts, faint noise) or `"strong"` (more of
            each).
    """
    if strength == "none":
        return []
    if strength == "light":
        return [RandomSound(gain=6.0, shift=0.1, noise=(15.0, 50.0))]
    return [RandomSound(gain=12.0, shift=0.2, noise=(0.0, 40.0))]
