"""How well boxes are found, as COCO counts it: https://cocodataset.org/#detection-eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kfine.answers.boxes.objects import OVERLAPS, Boxed, Detections, areas, overlaps, scale_of

_RECALLS = np.linspace(0, 1, 101)
# In square pixels of the image.
AREAS: Mapping[str, tuple[float, float]] = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, np.inf),
}
EVERY = (0.0, np.inf)
# Objects by which a threshold can be told from others.
_ENOUGH = 20


@dataclass(frozen=True)
class Found:
    """All detections of one class in some images, the surest first.

    Attributes:
        image: int `(detections,)` number of the image.
        scores: float32 `(detections,)`.
        right: bool `(thresholds, detections)`: whether an object is there that no surer one has.
        ignored: bool `(thresholds, detections)`: whether it counts neither way, since its size is
            not asked for.
        there: int `(images,)` objects of the class.
    """

    image: NDArray[np.int64]
    scores: NDArray[np.float32]
    right: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    there: NDArray[np.int64]

    def precision(self, counts: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Average precision at each threshold; `None` where there are no objects.

        Args:
            counts: How often each image counts.
        """
        total = int((self.there * counts).sum())
        if not total:
            return None
        curves = self.curves(counts)
        return np.array([_at_recalls(*one).mean() for one in curves])

    def curve(self) -> list[float]:
        """At an overlap of 0.5: the best precision with a recall of 0, 0.01 and so on to 1."""
        recall, precision = self.curves(np.ones(len(self.there), np.int64))[0]
        return [round(float(one), 4) for one in _at_recalls(recall, precision)]

    def curves(
        self, counts: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Recall and precision after each detection, at each threshold."""
        total = max(1, int((self.there * counts).sum()))
        times = counts[self.image]
        found = []
        for right, ignored in zip(self.right, self.ignored, strict=True):
            counted = np.where(ignored, 0, times)
            hits = np.cumsum(np.where(right, counted, 0))
            said = np.cumsum(counted)
            found.append((hits / total, hits / np.maximum(said, 1)))
        return found


def _at_recalls(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """At 101 recalls: the best precision with at least that recall, 0 where none has it."""
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    found: NDArray[np.float64] = np.append(best, 0.0)[places]
    return found


def found_of(
    predictions: Sequence[Detections],
    labels: Sequence[Boxed],
    names: Sequence[str],
    sizes: tuple[float, float] = EVERY,
) -> list[Found]:
    """Detections beside the truth, by class.

    Args:
        predictions: Of each image.
        labels: The truth.
        names: Classes.
        sizes: Least and largest area of the objects that count, in square pixels.
    """
    return [_of_class(predictions, labels, place, name, sizes) for place, name in enumerate(names)]


def _of_class(
    predictions: Sequence[Detections],
    labels: Sequence[Boxed],
    place: int,
    name: str,
    sizes: tuple[float, float],
) -> Found:
    image, scores, there = [], [], np.zeros(len(labels), np.int64)
    rights, ignoreds = [], []
    for number, (said, label) in enumerate(zip(predictions, labels, strict=True)):
        own = said.classes == place
        mine = [index for index, one in enumerate(label.classes) if one == name]
        scale = scale_of(label.size)
        truth, boxes = label.relative[mine] * scale, said.boxes[own] * scale
        asked, fits = (_between(areas(one), sizes) for one in (truth, boxes))
        there[number] = asked.sum()
        right, ignored = _matched(overlaps(boxes, truth), asked, fits)
        image.append(np.full(len(boxes), number))
        scores.append(said.scores[own])
        rights.append(right)
        ignoreds.append(ignored)
    sure = np.concatenate(scores)
    order = np.argsort(-sure, kind="stable")
    return Found(
        np.concatenate(image)[order],
        sure[order],
        np.concatenate(rights, axis=1)[:, order],
        np.concatenate(ignoreds, axis=1)[:, order],
        there,
    )


def _between(values: NDArray[np.float32], ends: tuple[float, float]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (values >= ends[0]) & (values <= ends[1])
    return found


def _matched(
    overlap: NDArray[np.float32], asked: NDArray[np.bool_], fits: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Give each detection, the surest first, the object that it overlaps most and nobody has.

    Args:
        overlap: `(detections, objects)`.
        asked: bool `(objects,)`, whether an object counts; one that does is taken first.
        fits: bool `(detections,)`, whether a detection without an object counts as wrong.

    Returns:
        bool `(thresholds, detections)` each: right, and not counted.
    """
    count, objects = overlap.shape
    shape = (len(OVERLAPS), count)
    right, ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    if not objects:
        return right, np.broadcast_to(~fits, shape).copy()
    free = np.ones((len(OVERLAPS), objects), bool)
    rows = np.arange(len(OVERLAPS))
    for number in range(count):
        enough = free & (overlap[number] >= np.minimum(OVERLAPS, 1 - 1e-10)[:, None])
        wanted = enough & asked
        allowed = np.where(wanted.any(axis=1, keepdims=True), wanted, enough)
        # Of equal overlaps COCO takes the last.
        reach = np.where(allowed, overlap[number], -1.0)
        best = objects - 1 - reach[:, ::-1].argmax(axis=1)
        has = allowed.any(axis=1)
        free[rows[has], best[has]] = False
        counts = asked[best]
        right[:, number] = has & counts
        ignored[:, number] = np.where(has, ~counts, not fits[number])
    return right, ignored


def mean_precision(found: Sequence[Found], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean over the classes that are there, at each threshold; 0 where none is."""
    each = [one.precision(counts) for one in found]
    known = [one for one in each if one is not None]
    return np.mean(known, axis=0) if known else np.zeros(len(OVERLAPS))


def best_threshold(found: Sequence[Found]) -> float | None:
    """The confidence from which on what is found has the best F1, at an overlap of 0.5.

    The F1 at a confidence is the mean of that at five neighbouring ones, since a single detection
    says little. Of equally good ones it is that nearest to 0.5.

    Returns:
        0.05 to 0.95 in steps of 0.01; `None` where fewer than 20 objects are there.
    """
    there = sum(int(one.there.sum()) for one in found)
    if there < _ENOUGH:
        return None
    scores = np.concatenate([one.scores for one in found])
    right = np.concatenate([one.right[0] for one in found])
    values = np.arange(101) / 100
    sure = scores[None] >= values[:, None]
    f1 = 2 * (sure & right).sum(axis=1) / (sure.sum(axis=1) + there)
    smooth = np.convolve(f1, np.full(5, 0.2), mode="same")
    allowed = values[5:96]
    best = smooth[5:96] >= smooth[5:96].max() - 1e-9
    near = np.where(best, np.abs(allowed - 0.5), np.inf)
    return float(allowed[near.argmin()])


def pairs_of(
    said: Detections, label: Boxed, least: float = 0.5
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Detections and objects that overlap most, whatever their classes; and those left over.

    Returns:
        (detection, object) pairs, detections without an object, objects without a detection.
    """
    overlap = overlaps(said.boxes * scale_of(label.size), label.relative * scale_of(label.size))
    pairs, free = [], set(range(len(label.boxes)))
    alone = []
    for number in range(len(said.boxes)):
        best = max(free, key=lambda one: overlap[number, one], default=None)
        if best is None or overlap[number, best] < least:
            alone.append(number)
        else:
            pairs.append((number, best))
            free.discard(best)
    return pairs, alone, sorted(free)


def confusion(
    predictions: Sequence[Detections], labels: Sequence[Boxed], names: Sequence[str]
) -> list[list[int]]:
    """Objects by class and what they were taken for; the last row and column are the background."""
    place = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(names) + 1, len(names) + 1), np.int64)
    for said, label in zip(predictions, labels, strict=True):
        pairs, alone, missed = pairs_of(said, label)
        for detection, thing in pairs:
            table[place[label.classes[thing]], said.classes[detection]] += 1
        for detection in alone:
            table[-1, said.classes[detection]] += 1
        for thing in missed:
            table[place[label.classes[thing]], -1] += 1
    found: list[list[int]] = table.tolist()
    return found


def rights(said: Detections, label: Boxed, names: Sequence[str]) -> float:
    """F1 of one image at an overlap of 0.5; 1 where nothing is there and nothing was found."""
    if not len(said.boxes) and not label.boxes:
        return 1.0
    pairs, _, _ = pairs_of(said, label)
    hits = sum(names[said.classes[one]] == label.classes[other] for one, other in pairs)
    return 2 * hits / (len(said.boxes) + len(label.boxes))


def table_of(found: Sequence[Found], names: Sequence[str], threshold: float) -> dict[str, Any]:
    """By class: AP, AP at 0.5, precision and recall at a threshold, and how many there are."""
    rows = {}
    for name, one in zip(names, found, strict=True):
        counts = np.ones(len(one.there), np.int64)
        each = one.precision(counts)
        sure = one.scores >= threshold
        hits, total = int(one.right[0][sure].sum()), int(one.there.sum())
        rows[name] = {
            "map": None if each is None else float(each.mean()),
            "map50": None if each is None else float(each[0]),
            "precision": hits / max(1, int(sure.sum())),
            "recall": hits / max(1, total),
            "support": total,
        }
    return rows
