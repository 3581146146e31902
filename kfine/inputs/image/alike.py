"""Images that show the same: exact copies, and copies that were resized, cropped or turned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kfine.data.examining import Alike

# Correlation of two pictures from which they count as the same: the first at which there are not
# more pairs than images in them, for pictures as simple as digits are all alike.
SIMILARITIES = (0.92, 0.97, 0.99)
SIMILARITY = SIMILARITIES[0]
# Beyond, cut-outs are not looked for: each image has as many as there are in `_CROPS`.
MOST_CROPPED = 5_000
MOST_IMAGES = 50_000

_SIDE = 64  # pixels of a thumbnail
_COMPARED = 32  # pixels of what is compared
_LOW = 8  # lowest frequencies along each axis
# Of them, those that are left out where pixels are compared: the light.
_LIGHT = 3
# Correlations from which a pair is looked at more closely: of low frequencies, and of pixels.
_CANDIDATE, _PROMISING = 0.85, 0.5
_MOST_CANDIDATES = 5  # of an image, in each way to look at it
# Of 255: deviation without the light below which a picture says nothing.
_FLAT = 3.0
_EDGES = (0.0, 0.1, 0.2)
_WHOLE = (0.0, 0.0, 1.0, 1.0)
# Left, top, right and bottom of cut-outs, as fractions.
_CROPS = tuple(
    (left, top, 1 - right, 1 - bottom)
    for left in _EDGES
    for right in _EDGES
    for top in _EDGES
    for bottom in _EDGES
)
_STEPS = (0.05, 0.025, 0.0125)
_MOST_MOVES = 8  # of each step
_LEAST_SIDE = 0.5  # of a cut-out
_ROWS = 512  # at a time
# The four edges, each inwards and outwards.
_MOVES = np.concatenate([np.eye(4), -np.eye(4)]).astype(np.float32)


def alike_images(rows: Any) -> tuple[list[Alike], str]:
    """Pairs of images that show the same.

    Each is compared with each, turned by quarters, mirrored, and with cut-outs of it that lose up
    to a fifth at each side: first the lowest frequencies of a discrete cosine transform (the
    perceptual hash of C. Zauner, Implementation and Benchmarking of Perceptual Image Hash
    Functions, 2010, whose signs are kept here as numbers), then the pixels of the few pairs that
    are left, while the cut-out is moved until they fit best.

    Args:
        rows: uint8 RGB, indexable with a list of numbers as `(rows, height, width, 3)`.

    Returns:
        Pairs, and a sentence on what was not looked for; empty if nothing was left out.
    """
    count = len(rows)
    if count > MOST_IMAGES:
        return [], f"images that are nearly the same: of {count}, more than {MOST_IMAGES}"
    none = np.zeros((0, 3, _SIDE, _SIDE), np.float32)
    thumbnails = np.concatenate([none, *_thumbnails(rows)])
    telling = np.flatnonzero(_deviations(thumbnails) > _FLAT)
    pictures = thumbnails[telling]
    found: dict[tuple[int, int], float] = {}
    low = _low_frequencies(pictures)
    for way in range(8):
        view = np.ascontiguousarray(_turned(pictures, way))
        pairs = list(_candidates(low, _low_frequencies(view), symmetric=True))
        for pair, value in zip(pairs, _fits(pictures, view, pairs), strict=True):
            found[pair] = max(value, found.get(pair, 0.0))
    note, limit = "", _limit(found)
    if limit > SIMILARITY:
        note = "cut-outs of other images: these are too simple to tell"
    elif count > MOST_CROPPED:
        note = (
            f"cut-outs of other images: of {count} images, more than {MOST_CROPPED}, it takes long"
        )
    else:
        for pair, value in _cut_outs(pictures, low, found):
            found[pair] = max(value, found.get(pair, 0.0))
    return [
        Alike(int(telling[one]), int(telling[two]), round(min(1.0, value), 4))
        for (one, two), value in sorted(found.items())
        if value >= limit
    ], note


def _limit(found: Mapping[tuple[int, int], float]) -> float:
    """The first of `SIMILARITIES` that leaves no more pairs than images in them, or the last."""
    for limit in SIMILARITIES:
        near = [pair for pair, value in found.items() if value >= limit]
        if len(near) <= len({number for pair in near for number in pair}):
            break
    return limit


def _thumbnails(rows: Any) -> Iterator[np.ndarray]:
    """float32 `(rows, 3, _SIDE, _SIDE)`, 0 to 255."""
    from PIL import Image

    for start in range(0, len(rows), _ROWS):
        numbers = range(start, min(len(rows), start + _ROWS))
        small = [
            Image.fromarray(one).resize((_SIDE, _SIDE), Image.Resampling.BOX)
            for one in rows[list(numbers)]
        ]
        stacked = np.stack([np.asarray(one, np.float32) for one in small])
        yield np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))


def _turned(pictures: np.ndarray, way: int) -> np.ndarray:
    """Turned by `way` quarters, and mirrored from 4 on."""
    turned = np.rot90(pictures, way % 4, axes=(-2, -1))
    return turned[..., ::-1] if way >= 4 else turned


def _low_frequencies(pictures: np.ndarray) -> np.ndarray:
    """Of grey pictures, float32 `(pictures, _LOW ** 2 - 1)` of length 1: without brightness."""
    basis = _cosines(pictures.shape[-1], _LOW)
    low = basis @ pictures.mean(axis=1) @ basis.T
    flat = low.reshape(len(pictures), _LOW**2)[:, 1:]
    found: np.ndarray = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return found


def _cosines(side: int, count: int) -> np.ndarray:
    """The lowest frequencies of a discrete cosine transform, float32 `(count, side)`."""
    from scipy.fft import dct

    return np.ascontiguousarray(dct(np.eye(side, dtype=np.float32), axis=0, norm="ortho")[:count])


def _candidates(
    whole: np.ndarray, others: np.ndarray, *, symmetric: bool
) -> Iterator[tuple[int, int]]:
    """Pairs whose low frequencies are alike, the nearest of each image."""
    most = min(_MOST_CANDIDATES, len(others))
    for start in range(0, len(whole), _ROWS):
        near = whole[start : start + _ROWS] @ others.T
        rows = np.arange(start, start + len(near))
        if symmetric:
            near[np.arange(len(others))[None] <= rows[:, None]] = 0
        else:
            near[np.arange(len(near)), rows] = 0
        top = np.argpartition(-near, most - 1, axis=1)[:, :most]
        for row, columns in enumerate(top):
            yield from ((start + row, int(one)) for one in columns if near[row, one] >= _CANDIDATE)


def _cut_outs(
    pictures: np.ndarray, low: np.ndarray, found: dict[tuple[int, int], float]
) -> Iterator[tuple[tuple[int, int], float]]:
    """Pairs of which one is a cut-out of the other, that were not found as they are."""
    best: dict[tuple[int, int], tuple[float, tuple[float, ...]]] = {}
    for crop in _CROPS[1:]:
        boxes = np.tile(np.array(crop, np.float32), (len(pictures), 1))
        parts = _low_frequencies(_cut(pictures, boxes))
        for one, two in _candidates(low, parts, symmetric=False):
            value = float(low[one] @ parts[two])
            if value > best.get((one, two), (0.0,))[0]:
                best[one, two] = value, crop
    ranked: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for (one, two), (value, _) in best.items():
        ranked[one].append((value, two))
    left = [
        ((one, two), best[one, two][1])
        for one, several in ranked.items()
        for _, two in sorted(several, reverse=True)[:_MOST_CANDIDATES]
        if found.get((min(one, two), max(one, two)), 0.0) < SIMILARITY
    ]
    pairs = [pair for pair, _ in left]
    boxes = np.array([crop for _, crop in left], np.float32).reshape(-1, 4)
    values = _fits(pictures, pictures, pairs, boxes)
    for (one, two), value in zip(pairs, values, strict=True):
        yield (min(one, two), max(one, two)), value


def _fits(
    wholes: np.ndarray,
    others: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    boxes: np.ndarray | None = None,
) -> list[float]:
    """Correlation of pictures with others, or with cut-outs at the best place near boxes."""
    values: list[float] = []
    for start in range(0, len(pairs), _ROWS):
        some = np.array(pairs[start : start + _ROWS])
        whole = _details(
            _cut(wholes[some[:, 0]], np.tile(np.array(_WHOLE, np.float32), (len(some), 1)))
        )
        of = others[some[:, 1]]
        if boxes is None:
            place = np.tile(np.array(_WHOLE, np.float32), (len(some), 1))
            values += _correlations(whole, of, place).tolist()
        else:
            values += _moved(whole, of, boxes[start : start + _ROWS]).tolist()
    return values


def _moved(whole: np.ndarray, of: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The best correlation while each edge of the boxes goes in and out by ever smaller steps."""
    values = _correlations(whole, of, boxes)
    boxes = boxes.copy()
    for step in _STEPS:
        active = np.flatnonzero(values >= _PROMISING)
        for _ in range(_MOST_MOVES):
            if not len(active):
                break
            tried = np.clip(boxes[active, None] + step * _MOVES, 0, 1)
            small = (tried[..., 2:] - tried[..., :2]).min(axis=-1) < _LEAST_SIDE
            tried[small] = np.repeat(boxes[active, None], len(_MOVES), 1)[small]
            repeated = np.repeat(active, len(_MOVES))
            got = _correlations(whole[repeated], of[repeated], tried.reshape(-1, 4))
            got = got.reshape(len(active), len(_MOVES))
            best = got.argmax(axis=1)
            order = np.arange(len(active))
            better = got[order, best] > values[active] + 1e-3
            values[active[better]] = got[order, best][better]
            boxes[active[better]] = tried[order, best][better]
            active = active[better]
    return values


def _correlations(whole: np.ndarray, of: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.einsum("pcyx,pcyx->p", whole, _details(_cut(of, boxes)))
    return found


def _cut(pictures: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """A cut-out of each picture, float32 `(pictures, 3, _COMPARED, _COMPARED)`."""
    across = _weights(pictures.shape[-1], boxes[:, 0], boxes[:, 2])
    down = _weights(pictures.shape[-2], boxes[:, 1], boxes[:, 3])
    found: np.ndarray = down[:, None] @ pictures @ across.transpose(0, 2, 1)[:, None]
    return found


def _weights(side: int, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """How much each pixel of a side counts for each of a cut-out: a triangle of its width."""
    grid = (np.arange(_COMPARED, dtype=np.float32) + 0.5) / _COMPARED
    centres = (start[:, None] + grid * (stop - start)[:, None]) * side - 0.5
    width = np.maximum(1.0, (stop - start) * side / _COMPARED)[:, None, None]
    away = np.abs(np.arange(side, dtype=np.float32) - centres[..., None]) / width
    weights = np.maximum(0.0, 1 - away)
    found: np.ndarray = (weights / weights.sum(axis=2, keepdims=True)).astype(np.float32)
    return found


def _without_light(pictures: np.ndarray) -> np.ndarray:
    basis = _cosines(pictures.shape[-1], _LIGHT)
    low = basis.T @ (basis @ pictures @ basis.T) @ basis
    found: np.ndarray = pictures - low
    return found


def _details(pictures: np.ndarray) -> np.ndarray:
    """Without the light, and of length 1."""
    details = _without_light(pictures)
    lengths = np.sqrt((details**2).sum(axis=(1, 2, 3), keepdims=True))
    found: np.ndarray = details / np.maximum(lengths, 1e-6)
    return found


def _deviations(pictures: np.ndarray) -> np.ndarray:
    found: np.ndarray = _without_light(pictures).std(axis=(1, 2, 3))
    return found
