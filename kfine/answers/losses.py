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


class _SmoothedLoss(keras.losses.Loss):
    """A cross-entropy of numbers.

    Args:
        label_smoothing: Share of the target that is spread evenly over all classes.
        **options: As Keras has them.
    """

    def __init__(self, label_smoothing: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.label_smoothing = label_smoothing

    def get_config(self) -> dict[str, Any]:
        """What makes an equal loss."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("kfine")
class TagLoss(_SmoothedLoss):
    """Mean cross-entropy over the tokens of a batch; targets below 0 do not count.

    Targets are `(batch, length)` numbers of tags, predictions `(batch, length, tags)` logits.

    The smoothing is over all tags.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, scaled so that the mean over rows is that over tokens that count.

        The mean over examples that Keras takes would let a short text count as much as a long one.
        """
        ops = keras.ops
        counted = ops.cast(ops.cast(y_true, "int32") >= 0, "float32")
        losses = _smoothed(y_true, y_pred, self.label_smoothing) * counted
        share = ops.mean(counted)
        return ops.mean(losses, axis=-1) / ops.maximum(share, keras.config.epsilon())

    def counted(self, y_true: Any) -> Any:
        """How many tokens the mean is over, float32."""
        return keras.ops.sum(keras.ops.cast(keras.ops.cast(y_true, "int32") >= 0, "float32"))


@keras.saving.register_keras_serializable("kfine")
class SpanLoss(_SmoothedLoss):
    """Mean cross-entropy of the first and of the last piece over the positions of a row.

    Targets are `(batch, 2)` positions, predictions `(batch, length, 2)` logits.

    The smoothing is over all positions.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row."""
        by_end = keras.ops.transpose(y_pred, (0, 2, 1))
        return keras.ops.mean(_smoothed(y_true, by_end, self.label_smoothing), axis=-1)


def _smoothed(y_true: Any, logits: Any, smoothing: float) -> Any:
    """Cross-entropy `(...)` of numbers `(...)` and logits `(..., classes)`; below 0 counts as 0."""
    ops = keras.ops
    numbers = ops.maximum(ops.cast(y_true, "int32"), 0)
    log = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    chosen = ops.squeeze(ops.take_along_axis(log, ops.expand_dims(numbers, -1), axis=-1), -1)
    return -(1 - smoothing) * chosen - smoothing * ops.mean(log, axis=-1)


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
