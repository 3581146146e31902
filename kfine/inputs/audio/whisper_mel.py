"""Log-mel spectrograms as Whisper takes them, in operations that every format has built in.

Windows of 25 ms every 10 ms, the power of a Fourier transform of 400 points, 80 bands or more on
Slaney's mel scale, `log10`, nothing more than 80 dB below the loudest:
https://github.com/openai/whisper/blob/main/whisper/audio.py
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kfine.inputs.audio.log_mel import HOP, RATE, WINDOW, hann, triangles, windows_of

BANDS = 80
# Of Slaney's scale: 15 mels to 1,000 Hz, in equal steps of Hz below and equal ratios above.
_LINEAR_HZ, _LINEAR_MELS, _RATIO = 1000.0, 15.0, np.log(6.4) / 27.0


def whisper_mel(samples: Any, bands: int = BANDS) -> Any:
    """Sounds to what Whisper's encoder takes.

    Args:
        samples: float32 `(batch, samples)` at 16 kHz, -1 to 1; a multiple of 160 samples.
        bands: Of the network, 80 or 128.

    Returns:
        float32 `(batch, samples / 160, bands)`, about -1 to 1.5.
    """
    import tensorflow as tf

    half = WINDOW // 2
    # The first frame is centred on the first sample, the last one hop before the end; what is
    # missing is mirrored.
    left = tf.reverse(samples[:, 1 : half + 1], [1])
    right = tf.reverse(samples[:, HOP - half - 1 : -1], [1])
    windows = windows_of(tf.concat([left, samples, right], axis=1))
    # LiteRT's own transform takes powers of two alone: this one is a matrix.
    real, imaginary = (tf.matmul(windows, tf.constant(one)) for one in _transform())
    power = tf.square(real) + tf.square(imaginary)
    mel = tf.maximum(tf.matmul(power, tf.constant(mel_matrix(bands))), 1e-10)
    found = tf.math.log(mel) * np.float32(1 / np.log(10))
    loudest = tf.reduce_max(found, axis=[1, 2], keepdims=True)
    return (tf.maximum(found, loudest - 8.0) + 4.0) / 4.0


@lru_cache(maxsize=1)
def _transform() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """From 400 samples to real and imaginary parts of 201 frequencies, Hann's window included."""
    places = np.arange(WINDOW)
    angles = 2 * np.pi * places[:, None] * np.arange(WINDOW // 2 + 1) / WINDOW
    return (
        (hann()[:, None] * np.cos(angles)).astype(np.float32),
        (-hann()[:, None] * np.sin(angles)).astype(np.float32),
    )


@lru_cache(maxsize=2)
def mel_matrix(bands: int) -> NDArray[np.float32]:
    """From the power at 201 frequencies to bands: triangles of equal area on Slaney's mel scale."""
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    highest = _LINEAR_MELS + np.log(RATE / 2 / _LINEAR_HZ) / _RATIO
    mels = np.linspace(0.0, highest, bands + 2)
    edges = np.where(
        mels < _LINEAR_MELS,
        mels * _LINEAR_HZ / _LINEAR_MELS,
        _LINEAR_HZ * np.exp(_RATIO * (mels - _LINEAR_MELS)),
    )
    found = triangles(edges, hertz) * 2.0 / (edges[2:] - edges[:-2])
    return found.astype(np.float32)
