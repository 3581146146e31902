"""The error of numbers in each epoch, in their own units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("kfine")
class NumberError(keras.metrics.Mean):
    """Mean absolute error of standardised numbers, in units of one's own.

    Args:
        scale: What one standard deviation of each number counts.
        name: As Keras has it.
        dtype: As Keras has it.
    """

    def __init__(self, scale: Sequence[float], name: str = "error", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.scale = [float(one) for one in scale]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add `(batch, numbers)` truths and predictions."""
        ops = keras.ops
        error = ops.abs(ops.cast(y_pred, "float32") - ops.cast(y_true, "float32"))
        super().update_state(ops.mean(error * ops.array(self.scale), axis=-1), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """What makes an equal metric."""
        return {**super().get_config(), "scale": self.scale}
