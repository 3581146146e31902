"""From a detector's outputs to one box for each object, in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kfine.answers.boxes.grid import boxes_of, scores_of
from kfine.answers.boxes.objects import LEAST, MOST, scale_of

_OVERLAP = 0.65


class Suppressed(keras.layers.Layer):
    """The surest of the boxes of each class that overlap (non-max suppression).

    One example is worked on with what LiteRT has built in, several with TensorFlow's operation for
    batches, which phones do not have.

    Args:
        size: Height and width of the images in pixels.
        levels: Rows and columns of each level of places.
        **options: As Keras has them.
    """

    def __init__(
        self, size: Sequence[int], levels: Sequence[Sequence[int]], **options: Any
    ) -> None:
        super().__init__(**options)
        self.size = size[0], size[1]
        self.levels = tuple((one[0], one[1]) for one in levels)

    def call(self, outputs: Any) -> tuple[Any, Any, Any, Any]:
        """The boxes to keep.

        Args:
            outputs: float32 `(batch, places, 5 + classes)`, see `boxes_of`.

        Returns:
            Boxes `(batch, MOST, 4)`, left, top, right and bottom as fractions of width and height;
            classes and scores `(batch, MOST)`; and how many of them are there `(batch,)`, all
            float32, the surest first, 0 behind the last.
        """
        boxes = boxes_of(outputs, self.size, self.levels) / scale_of(self.size)
        return suppressed(keras.ops.clip(boxes, 0.0, 1.0), scores_of(outputs))

    def compute_output_shape(self, outputs_shape: Any) -> Any:
        """As `call` returns."""
        count = outputs_shape[0]
        return (count, MOST, 4), (count, MOST), (count, MOST), (count,)


def suppressed(boxes: Any, scores: Any) -> tuple[Any, Any, Any, Any]:
    """As `Suppressed` gives them.

    Args:
        boxes: float32 `(batch, places, 4)`, of 0 to 1.
        scores: Confidences `(batch, places, classes)`; the best class of each place counts.
    """
    import tensorflow as tf

    if boxes.shape[0] == 1:
        return _of_one(boxes[0], scores[0])
    best = tf.reduce_max(scores, axis=-1, keepdims=True)
    kept, sure, classes, count = tf.image.combined_non_max_suppression(
        boxes[:, :, None],
        tf.where(scores == best, scores, 0.0),
        MOST,
        MOST,
        _OVERLAP,
        LEAST,
        clip_boxes=False,
    )
    return kept, classes, sure, tf.cast(count, "float32")


def _of_one(boxes: Any, scores: Any) -> tuple[Any, Any, Any, Any]:
    import tensorflow as tf

    sure = tf.reduce_max(scores, axis=-1)
    classes = tf.cast(tf.argmax(scores, axis=-1, output_type=tf.int32), "float32")
    # Classes lie apart, so that boxes suppress only those of their own. The public function
    # becomes LiteRT's own operation with another shape than it has.
    chosen, count = tf.raw_ops.NonMaxSuppressionV4(
        boxes=boxes + classes[:, None] * 2,
        scores=sure,
        max_output_size=MOST,
        iou_threshold=_OVERLAP,
        score_threshold=LEAST,
        pad_to_max_output_size=True,
    )
    there = tf.cast(tf.range(MOST) < count, "float32")
    return (
        (tf.gather(boxes, chosen) * there[:, None])[None],
        (tf.gather(classes, chosen) * there)[None],
        (tf.gather(sure, chosen) * there)[None],
        tf.cast(count, "float32")[None],
    )
