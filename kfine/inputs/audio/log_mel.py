"""Log-mel spectrograms as YAMNet computes them, in operations that LiteRT has built in.

Windows of 25 ms every 10 ms, magnitudes of a Fourier transform of 512 points, 64 bands of 125 to
7,500 Hz, `log(mel + 0.001)`:
https://github.com/tensorflow/models/tree/master/research/audioset/yamnet
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000  # Hz
BANDS = 64
# In samples: between the beginnings of two windows, and a window.
HOP, WINDOW = 160, 400
# The largest number that divides both.
_STEP = 80
POINTS = 512
LOWEST, HIGHEST = 125, 7500  # Hz
OFFSET = 0.001


def samples_of(frames: int) -> int:
    """How many samples make so many frames."""
    return WINDOW + (frames - 1) * HOP


def frames_of(seconds: float) -> int:
    """The frames of a window of about so many seconds; at least one."""
    return max(1, round((seconds * RATE - WINDOW) / HOP) + 1)


def log_mel(samples: Any) -> Any:
    """Sounds to pictures of them.

    Args:
        samples: float32 `(batch, samples)` at 16 kHz, -1 to 1; as many as `samples_of` says.

    Returns:
        float32 `(batch, frames, 64)`.
    """
    import tensorflow as tf

    windows = windows_of(samples)
    windows = tf.pad(
        windows * tf.constant(hann().astype(np.float32)), [[0, 0], [0, 0], [0, POINTS - WINDOW]]
    )
    magnitudes = tf.abs(tf.signal.rfft(windows, [POINTS]))
    return tf.math.log(tf.matmul(magnitudes, tf.constant(mel_matrix())) + OFFSET)


def windows_of(samples: Any) -> Any:
    """`(batch, samples)` to `(batch, frames, 400)`, as many frames as there is room for."""
    import tensorflow as tf

    count = int(samples.shape[1]) // _STEP
    steps = tf.reshape(samples, (-1, count, _STEP))
    parts, apart = WINDOW // _STEP, HOP // _STEP
    frames = (count - parts) // apart + 1
    last = apart * (frames - 1) + 1
    return tf.concat([steps[:, one : one + last : apart] for one in range(parts)], axis=2)


def picture(log_mels: Any, scale: Any, offset: Any) -> Any:
    """Spectrograms as images, twice as large, so that small details outlast a network's strides.

    Args:
        log_mels: float32 `(batch, frames, 64)`.
        scale: Of an image in 0..255 for the network, one factor or three.
        offset: The same, summands.

    Returns:
        float32 `(batch, 2 * frames, 128, 3)`.
    """
    import tensorflow as tf

    frames = int(log_mels.shape[1])
    # Near silence is 0, and speech close to the microphone about 255.
    pixels = tf.clip_by_value((log_mels - np.log(OFFSET)) * 25.0, 0.0, 255.0)[..., None]
    pixels = tf.image.resize(pixels, (2 * frames, 2 * BANDS), method="bilinear", antialias=False)
    pixels = tf.concat([pixels] * 3, axis=3)
    return pixels * tf.constant(scale, tf.float32) + tf.constant(offset, tf.float32)


def mel_matrix() -> NDArray[np.float32]:
    """From 257 magnitudes to 64 bands: triangles that overlap by half on the mel scale."""

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)

    edges = np.linspace(mel(LOWEST), mel(HIGHEST), BANDS + 2)
    found: NDArray[np.float32] = triangles(
        edges, mel(np.linspace(0, RATE / 2, POINTS // 2 + 1))
    ).astype(np.float32)
    return found


def triangles(edges: Any, places: Any) -> Any:
    """Heights `(places, bands)` of triangles, each from one edge over the next to that after it."""
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    place = places[:, None]
    rising, falling = (place - low) / (middle - low), (high - place) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


def hann() -> NDArray[np.float64]:
    """Hann's window of 400 samples, periodic."""
    found: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return found
