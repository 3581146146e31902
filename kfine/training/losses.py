"""Losses and metrics of answers that stand inside a text."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("kfine")
class TagAccuracy(keras.metrics.Mean):
    """Share of tokens with the right tag; targets below 0 do not count.

    Args:
        name: As Keras has it.
        dtype: As Keras has it.
    """

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add `(batch, length)` targets and `(batch, length, tags)` logits."""
        ops = keras.ops
        y_true = ops.cast(y_true, "int32")
        right = ops.equal(y_true, ops.cast(ops.argmax(y_pred, axis=-1), "int32"))
        counted = ops.cast(y_true >= 0, "float32")
        super().update_state(ops.cast(right, "float32"), sample_weight=counted)


@keras.saving.register_keras_serializable("kfine")
class SpanLoss(keras.losses.Loss):
    """Mean cross-entropy of the first and of the last piece over the positions of a row.

    Targets are `(batch, 2)` positions, predictions `(batch, length, 2)` logits.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row."""
        by_end = keras.ops.transpose(y_pred, (0, 2, 1))
        return keras.ops.mean(
            keras.losses.sparse_categorical_crossentropy(y_true, by_end, from_logits=True), axis=-1
        )


@keras.saving.register_keras_serializable("kfine")
class SpanAccuracy(keras.metrics.Mean):
    """Share of rows whose first and last piece are both found.

    Args:
        name: As Keras has it.
        dtype: As Keras has it.
    """

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add `(batch, 2)` positions and `(batch, length, 2)` logits."""
        ops = keras.ops
        found = ops.cast(ops.argmax(y_pred, axis=1), "int32")
        right = ops.all(ops.equal(found, ops.cast(y_true, "int32")), axis=-1)
        super().update_state(ops.cast(right, "float32"), sample_weight=sample_weight)
