"""How well boxes are found, while training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kfine.answers.boxes.grid import boxes_of, overlaps_of, scores_of
from kfine.answers.boxes.objects import OVERLAPS, scale_of
from kfine.answers.boxes.suppression import suppressed

_BINS = 200


@keras.saving.register_keras_serializable("kfine")
class BoxPrecision(keras.metrics.Metric):
    """Mean average precision at overlaps of 0.5 to 0.95, from histograms of confidences.

    It comes near to what an evaluation computes, without keeping what was found.

    Args:
        classes: How many.
        size: Height and width of the images in pixels.
        levels: Rows and columns of each level of features.
        **options: As Keras has them.
    """

    def __init__(
        self, classes: int, size: Sequence[int], levels: Sequence[Sequence[int]], **options: Any
    ) -> None:
        super().__init__(**options)
        self.classes, self.size = classes, (size[0], size[1])
        self.levels = tuple((one[0], one[1]) for one in levels)
        shape = (len(OVERLAPS), classes, _BINS)
        self.right = self.add_weight(shape=shape, initializer="zeros", name="right")
        self.found = self.add_weight(shape=shape[1:], initializer="zeros", name="found")
        self.there = self.add_weight(shape=(classes,), initializer="zeros", name="there")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch of targets and predictions as `BoxLoss` has them."""
        ops = keras.ops
        outputs = ops.cast(y_pred, "float32")
        boxes = boxes_of(outputs, self.size, self.levels) / scale_of(self.size)
        boxes, classes, scores, _ = suppressed(boxes, scores_of(outputs))
        truth, labels = y_true[..., :4] / scale_of(self.size), ops.cast(y_true[..., 4], "int32")
        there = ops.one_hot(labels, self.classes, dtype="float32")
        said = ops.one_hot(ops.cast(classes, "int32"), self.classes, dtype="float32")
        said = said * ops.expand_dims(ops.cast(scores > 0, "float32"), -1)
        overlap = overlaps_of(boxes, truth) * ops.matmul(said, ops.swapaxes(there, 1, 2))
        bins = ops.cast(ops.clip(scores * _BINS, 0, _BINS - 1), "int32")
        bins = ops.one_hot(bins, _BINS, dtype="float32")
        self.there.assign_add(ops.sum(there, axis=(0, 1)))
        self.found.assign_add(ops.einsum("bnc,bns->cs", said, bins))
        nearest = ops.one_hot(ops.argmax(overlap, axis=-1), overlap.shape[-1], dtype="float32")
        most = ops.max(overlap, axis=-1)
        rights = []
        for threshold in OVERLAPS:
            enough = ops.expand_dims(ops.cast(most >= threshold, "float32"), -1) * nearest
            # The surest box of an object is right, the others are not.
            first = enough * ops.cast(ops.cumsum(enough, axis=1) < 1.5, "float32")
            right = said * ops.sum(first, axis=-1, keepdims=True)
            rights.append(ops.einsum("bnc,bns->cs", right, bins))
        self.right.assign_add(ops.stack(rights))

    def result(self) -> Any:
        """The mean over overlaps and the classes that are there, 0 to 1."""
        ops = keras.ops
        right = ops.cumsum(ops.flip(self.right, -1), -1)
        found = ops.cumsum(ops.flip(self.found, -1), -1)
        recall = right / ops.maximum(self.there, 1.0)[:, None]
        precision = right / ops.maximum(found, 1.0)
        # What some confidence reaches, every smaller recall reaches too.
        best = ops.flip(_running_maximum(ops.flip(precision, -1)), -1)
        gained = recall - ops.pad(recall, ((0, 0), (0, 0), (1, 0)))[..., :-1]
        each = ops.mean(ops.sum(gained * best, axis=-1), axis=0)
        known = ops.cast(self.there > 0, "float32")
        return ops.sum(each * known) / ops.maximum(ops.sum(known), 1.0)

    def reset_state(self) -> None:
        """Forget all batches."""
        for variable in self.variables:
            variable.assign(keras.ops.zeros(variable.shape))

    def get_config(self) -> dict[str, Any]:
        """What makes an equal metric."""
        mine = {"classes": self.classes, "size": self.size, "levels": self.levels}
        return {**super().get_config(), **mine}


def _running_maximum(values: Any) -> Any:
    """The largest so far along the last axis."""
    step, length = 1, values.shape[-1]
    while step < length:
        shifted = keras.ops.pad(values, ((0, 0), (0, 0), (step, 0)))[..., :length]
        values = keras.ops.maximum(values, shifted)
        step *= 2
    return values
