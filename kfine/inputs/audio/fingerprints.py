"""Recordings that hold the same sound."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from kfine.data.examining import Alike
from kfine.inputs.audio.log_mel import RATE

# Share of equal bits from which two recordings hold the same; of unlike ones half are equal.
SIMILARITY = 0.8
_WINDOW, _HOP = 2048, 128  # samples
_BANDS = 33
_LOWEST, _HIGHEST = 200.0, 4000.0  # Hz
# Frames this far below the loudest, in powers, say nothing.
_QUIET = 1e-5
# A code that more recordings have tells none of them from the others.
_MOST_SHARED = 50
_LEAST_FRAMES = 8
_LEAST_OVERLAP = 0.6  # of the shorter recording


def alike_sounds(sounds: Sequence[np.ndarray]) -> list[Alike]:
    """Pairs of recordings that hold the same sound: encoded anew, cut, louder, or with some noise.

    Of each frame, 32 bits say whether the difference in power of neighbouring bands rises or
    falls; recordings that share a frame's bits are laid over each other there and compared bit by
    bit (J. Haitsma, T. Kalker, A Highly Robust Audio Fingerprinting System, 2002).

    Args:
        sounds: int16 `(samples,)` at 16 kHz.
    """
    prints = [_fingerprint(sound) for sound in sounds]
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, (codes, loud) in enumerate(prints):
        for frame in np.flatnonzero(loud):
            places[int(codes[frame])].append((number, int(frame)))
    votes: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for found in places.values():
        if len({number for number, _ in found}) > _MOST_SHARED:
            continue
        for place, (one, first) in enumerate(found):
            for other, second in found[place + 1 :]:
                if one != other:
                    votes[one, other][second - first] += 1
    pairs = []
    for (one, other), offsets in sorted(votes.items()):
        best = max(
            _equal(prints[one], prints[other], offset) for offset, _ in offsets.most_common(3)
        )
        if best >= SIMILARITY:
            pairs.append(Alike(one, other, round(best, 4)))
    return pairs


def _fingerprint(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bits of each frame, uint32 `(frames,)`, and which frames are loud enough to tell."""
    samples = np.pad(sound.astype(np.float32) / 32768, (0, max(0, _WINDOW + _HOP - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)) ** 2
    edges = np.geomspace(_LOWEST, _HIGHEST, _BANDS + 1) * _WINDOW / RATE
    starts = np.floor(edges).astype(int)
    bands = np.stack(
        [power[:, low : max(low + 1, high)].sum(axis=1) for low, high in pairwise(starts)],
        axis=1,
    )
    rises = np.diff(np.diff(bands, axis=1), axis=0) > 0
    codes = rises @ (1 << np.arange(_BANDS - 1, dtype=np.uint64))
    total = bands.sum(axis=1)[1:]
    return codes.astype(np.uint32), total > max(float(total.max()), 1e-9) * _QUIET


def _equal(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], offset: int
) -> float:
    """Share of equal bits where two recordings lie over each other; 0 where that is too short."""
    (first, loud), (second, loud_too) = one, other
    start, stop = max(0, -offset), min(len(first), len(second) - offset)
    both = loud[start:stop] & loud_too[start + offset : stop + offset]
    shorter = min(int(loud.sum()), int(loud_too.sum()))
    if both.sum() < max(_LEAST_FRAMES, _LEAST_OVERLAP * shorter):
        return 0.0
    apart = np.bitwise_count(first[start:stop][both] ^ second[start + offset : stop + offset][both])
    return 1 - float(apart.mean()) / (_BANDS - 1)
