"""What predicted masks are worth against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kfine.answers.masks.mask import IGNORED

# Of the diagonal, how far a boundary may be off; at least a pixel.
_TOLERANCE = 0.0075


def confusion(
    found: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """Pixels by class of the truth (rows) and of the prediction (columns).

    Args:
        found: `(height, width)` numbers of classes.
        truth: The same; 255 does not count.
        classes: How many.
    """
    counted = truth != IGNORED
    # A label in the place of a prediction may have pixels that do not count: as any class.
    said = np.minimum(found[counted], classes - 1).astype(np.int64)
    pairs = truth[counted].astype(np.int64) * classes + said
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def ious(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class, NaN where it is neither there nor found.

    Args:
        table: `(..., classes, classes)`, as `confusion` gives it.
    """
    both, union = _both_and_union(table)
    return np.divide(both, union, out=np.full(both.shape, np.nan), where=union > 0)


def mean_iou(table: NDArray[np.int64]) -> float:
    """The mean over the classes that are there or found."""
    return float(np.nanmean(ious(table)))


def share_right(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each example the mean IoU of the classes that its truth has, float64 `(examples,)`."""
    there = tables.sum(axis=2) > 0
    found = np.where(there, np.nan_to_num(ious(tables)), 0.0)
    return found.sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def by_class(table: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """Name -> `iou`, `dice` (F1 of its pixels), `precision`, `recall` and `support`, its pixels.

    The first two are `None` where the class is neither there nor found, the others 0.
    """
    both, union = _both_and_union(table)
    found = {}
    for place, name in enumerate(names):
        iou = float(both[place] / union[place]) if union[place] else None
        support, said = int(table[place].sum()), int(table[:, place].sum())
        found[name] = {
            "iou": iou,
            "dice": None if iou is None else 2 * iou / (1 + iou),
            "precision": float(both[place] / max(1, said)),
            "recall": float(both[place] / max(1, support)),
            "support": support,
        }
    return found


def _both_and_union(table: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    both = np.diagonal(table, axis1=-2, axis2=-1).astype(np.float64)
    return both, table.sum(axis=-1) + table.sum(axis=-2) - both


def boundary_f1(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """F1 of the boundaries between classes, which may be 0.75 % of the diagonal off.

    Csurka et al., 2013, http://www.bmva.org/bmvc/2013/Papers/paper0032/. NaN where the truth has
    no boundary.

    Args:
        found: `(height, width)` numbers of classes.
        truth: The same; boundaries beside 255 do not count.
    """
    from scipy.ndimage import binary_dilation, distance_transform_edt

    near = max(1.0, _TOLERANCE * float(np.hypot(*truth.shape)))
    beside = binary_dilation(truth == IGNORED, iterations=int(near) + 1)
    real, said = (_boundary(one) & ~beside for one in (truth, found))
    if not real.any():
        return float("nan")
    if not said.any():
        return 0.0
    recall = (distance_transform_edt(~said)[real] <= near).mean()
    precision = (distance_transform_edt(~real)[said] <= near).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-12))


def _boundary(numbers: NDArray[np.uint8]) -> NDArray[np.bool_]:
    edges = np.zeros(numbers.shape, bool)
    edges[:, 1:] |= numbers[:, 1:] != numbers[:, :-1]
    edges[1:] |= numbers[1:] != numbers[:-1]
    return edges
