"""The loss of boxes, with what decides which place answers for which object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kfine.answers.boxes.grid import boxes_of, overlap_of, overlaps_of, places_of

# As in YOLOX: from an object's centre in steps, how many overlaps say how many places answer, and
# what the box counts in the choice of places and in the loss.
_RADIUS = 2.5
_MOST = 10
_BOX_COST = 3.0
_BOX_LOSS = 5.0
_FAR, _NEVER = 1e5, 1e9


@keras.saving.register_keras_serializable("kfine")
class BoxLoss(keras.losses.Loss):
    """Boxes, whether there is something, and its class, with the places chosen as in SimOTA.

    Each object is answered for by the places whose box and class fit it best, as many as their
    overlaps with it sum up to (YOLOX: Ge et al., 2021, https://arxiv.org/abs/2107.08430).

    Targets are float32 `(batch, most, 5)`: left, top, right, bottom in pixels and the number of
    the class, -1 where there is none. Predictions are `(batch, places, 5 + classes)`, see
    `boxes_of`; then the logit of something being there, and those of the classes.

    Args:
        size: Height and width of the images in pixels.
        levels: Rows and columns of each level of features.
        **options: As Keras has them.
    """

    def __init__(
        self, size: Sequence[int], levels: Sequence[Sequence[int]], **options: Any
    ) -> None:
        super().__init__(**options)
        self.size = size[0], size[1]
        self.levels = tuple((one[0], one[1]) for one in levels)
        corners, self._steps = places_of(self.size, self.levels)
        self._middles = corners + self._steps / 2

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each example, scaled so that the mean over them is that over the places."""
        ops = keras.ops
        truth, outputs = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        boxes, labels = truth[..., :4], ops.cast(truth[..., 4], "int32")
        there = labels >= 0
        classes = ops.one_hot(ops.maximum(labels, 0), outputs.shape[-1] - 5, dtype="float32")
        found = boxes_of(outputs, self.size, self.levels)
        given = ops.stop_gradient(outputs)
        overlap = overlaps_of(ops.stop_gradient(found), boxes)
        chosen = self._chosen(boxes, there, classes, overlap, given)
        answering = ops.sum(chosen, axis=-1)
        own = overlap_of(found, ops.matmul(chosen, boxes))
        wanted = ops.matmul(chosen, classes) * ops.stop_gradient(ops.expand_dims(own, -1))
        box = answering * (1 - ops.square(own))
        something = _cross_entropy(answering, outputs[..., 4])
        kind = answering * ops.sum(_cross_entropy(wanted, outputs[..., 5:]), axis=-1)
        each = ops.sum(_BOX_LOSS * box + something + kind, axis=-1)
        return each / ops.maximum(ops.mean(ops.sum(answering, axis=-1)), 1.0)

    def _chosen(self, boxes: Any, there: Any, classes: Any, overlap: Any, outputs: Any) -> Any:
        """1 where a place answers for an object, float32 `(batch, places, most)`."""
        ops = keras.ops
        there = ops.expand_dims(there, 1)
        x, y = (self._middles[None, :, None, axis] for axis in (0, 1))
        left, top, right, bottom = (ops.expand_dims(boxes[..., side], 1) for side in range(4))
        inside = (x > left) & (x < right) & (y > top) & (y < bottom)
        reach = _RADIUS * self._steps[None, :, None, :]
        near = (ops.abs(x - (left + right) / 2) < reach[..., 0]) & (
            ops.abs(y - (top + bottom) / 2) < reach[..., 1]
        )
        allowed = (inside | near) & there
        overlap = ops.where(allowed, overlap, 0.0)
        likely = ops.sqrt(ops.sigmoid(outputs[..., 4:5]) * ops.sigmoid(outputs[..., 5:]))
        likely = ops.clip(likely, 1e-6, 1 - 1e-6)
        no = -ops.log(1 - likely)
        said = ops.sum(no, -1, keepdims=True) + ops.matmul(
            -ops.log(likely) - no, ops.swapaxes(classes, 1, 2)
        )
        cost = said - _BOX_COST * ops.log(overlap + 1e-8)
        cost = ops.where(inside & near, cost, cost + _FAR)
        cost = ops.where(allowed, cost, _NEVER)
        # How many places answer for each object: what their overlaps with it sum up to.
        most = min(_MOST, len(self._middles))
        best = ops.top_k(ops.swapaxes(overlap, 1, 2), most, sorted=False)[0]
        count = ops.clip(ops.cast(ops.sum(best, axis=-1), "int32"), 1, most)
        cheapest = -ops.top_k(-ops.swapaxes(cost, 1, 2), most)[0]
        last = ops.take_along_axis(cheapest, ops.expand_dims(count - 1, -1), axis=-1)
        picked = (cost <= ops.swapaxes(last, 1, 2)) & allowed
        # A place answers for one object, the one that it fits best.
        fits = ops.argmin(ops.where(picked, cost, 2 * _NEVER), axis=-1)
        one = ops.one_hot(fits, cost.shape[-1], dtype="bool")
        return ops.cast(picked & one, "float32")

    def get_config(self) -> dict[str, Any]:
        """What makes an equal loss."""
        return {**super().get_config(), "size": self.size, "levels": self.levels}


def _cross_entropy(wanted: Any, logits: Any) -> Any:
    ops = keras.ops
    return ops.maximum(logits, 0) - logits * wanted + ops.log1p(ops.exp(-ops.abs(logits)))
