"""A cross-entropy for classes that are not equally frequent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("kfine")
class AdjustedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits to which the logarithm of each class's share is added.

    What is frequent in training then needs no larger logit, so that a model whose logits are taken
    without the shares rates all classes as if they were equally frequent: logit adjustment (Menon
    et al., 2021, https://arxiv.org/abs/2007.07314).

    Args:
        shares: Of each class in training; above 0.
        label_smoothing: Share of the target that goes to all classes, in proportion to theirs.
        **options: As Keras has them.
    """

    def __init__(
        self, shares: Sequence[float], label_smoothing: float = 0.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.shares, self.label_smoothing = tuple(shares), label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """`(batch,)` of one-hot targets and logits `(batch, classes)`."""
        ops = keras.ops
        shares = ops.convert_to_tensor(self.shares, dtype=y_pred.dtype)
        y_true = ops.cast(y_true, y_pred.dtype)
        target = (1 - self.label_smoothing) * y_true + self.label_smoothing * shares
        logits = y_pred + ops.log(shares)
        return -ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What makes an equal loss."""
        mine = {"shares": self.shares, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **mine}
