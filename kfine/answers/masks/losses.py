"""Losses and metrics of masks; targets of 255 do not count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kfine.answers.masks.mask import IGNORED


@keras.saving.register_keras_serializable("kfine")
class MaskLoss(keras.losses.Loss):
    """Cross-entropy of the pixels that count, and if wanted Dice beside it.

    Targets are `(batch, height, width, 1)` numbers of classes, predictions
    `(batch, rows, columns, classes)` logits, which are brought to the targets' size first.

    Args:
        weights: How much a pixel of each class counts; all alike if empty.
        dice: Share of the Dice loss (Milletari et al., 2016, https://arxiv.org/abs/1606.04797) in
            the sum, 0 to 1: it counts classes alike, however many pixels they have.
        **options: As Keras has them.
    """

    def __init__(self, weights: Sequence[float] = (), dice: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.weights, self.dice = tuple(weights), dice

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each example, scaled so that the mean over them is that over the pixels."""
        ops = keras.ops
        numbers = ops.cast(ops.squeeze(y_true, -1), "int32")
        counted = ops.cast(numbers != IGNORED, "float32")
        numbers = ops.where(numbers == IGNORED, 0, numbers)
        logits = at_size(y_pred, y_true.shape[1:3])
        losses = ops.nn.sparse_categorical_crossentropy(numbers, logits, from_logits=True)
        if self.weights:
            counted_as = ops.take(ops.convert_to_tensor(self.weights, "float32"), numbers)
            losses = losses * counted_as
        pixels = ops.mean(losses * counted, axis=(1, 2))
        entropy = pixels / ops.maximum(ops.mean(counted), keras.config.epsilon())
        if not self.dice:
            return entropy
        return (1 - self.dice) * entropy + self.dice * _dice(numbers, logits, counted)

    def counted(self, y_true: Any) -> Any:
        """How many pixels the mean is over, float32."""
        ops = keras.ops
        return ops.sum(ops.cast(ops.cast(y_true, "int32") != IGNORED, "float32"))

    def get_config(self) -> dict[str, Any]:
        """What makes an equal loss."""
        return {**super().get_config(), "weights": list(self.weights), "dice": self.dice}


def _dice(numbers: Any, logits: Any, counted: Any) -> Any:
    """1 less the mean Dice of the classes that the batch holds."""
    ops = keras.ops
    shares = ops.softmax(logits, axis=-1) * ops.expand_dims(counted, -1)
    truth = ops.one_hot(numbers, logits.shape[-1], dtype="float32")
    truth = truth * ops.expand_dims(counted, -1)
    both, sizes = ops.sum(shares * truth, (0, 1, 2)), ops.sum(shares + truth, (0, 1, 2))
    there = ops.cast(ops.sum(truth, (0, 1, 2)) > 0, "float32")
    dice = 2 * both / ops.maximum(sizes, keras.config.epsilon())
    return 1 - ops.sum(dice * there) / ops.maximum(ops.sum(there), 1.0)


def at_size(logits: Any, size: Sequence[Any]) -> Any:
    """Logits `(batch, rows, columns, classes)` as float32 of some height and width."""
    ops = keras.ops
    logits = ops.cast(logits, "float32")
    if tuple(logits.shape[1:3]) == tuple(size):
        return logits
    return ops.image.resize(logits, size, "bilinear", data_format="channels_last")


@keras.saving.register_keras_serializable("kfine")
class MaskIoU(keras.metrics.MeanIoU):
    """Mean over the classes of intersection over union, of targets and logits as `MaskLoss` has.

    Args:
        num_classes: How many.
        **options: As Keras has them.
    """

    def __init__(self, num_classes: int, **options: Any) -> None:
        super().__init__(num_classes, ignore_class=IGNORED, sparse_y_pred=True, **options)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        numbers = keras.ops.argmax(at_size(y_pred, y_true.shape[1:3]), axis=-1)
        super().update_state(keras.ops.squeeze(y_true, -1), numbers)

    def get_config(self) -> dict[str, Any]:
        """What makes an equal metric."""
        return {"num_classes": self.num_classes, "name": self.name, "dtype": self.dtype}
