"""What a recipe's `build_model` returns: a model and how it is fed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.models.preprocessing import Preprocessing

if TYPE_CHECKING:
    from kfine.models.text_preprocessing import TextPreprocessing


@dataclass
class BuiltModel:
    """An uncompiled model and what training it takes.

    Attributes:
        model: A Keras model; a KerasHub task wherever one exists.
        loss: Keras loss.
        metrics: Keras metrics.
        preprocessing: From raw inputs to the model's: a `Preprocessing` of images or a
            `TextPreprocessing`, which have `rows`, `lengths`, `prepare` and `to_dict` in common.
        targets: From a split to its targets, one for each row of its inputs: float32, or int32
            where the loss takes numbers.
        augmentation: Keras layers that vary a batch in training, on inputs in 0..255.
        sample_weights: From a split's labels to float32 weights, or `None`.
        decisions: Automatic choices in words, recorded in the run folder.
        unfrozen: Backbone groups that `unfreeze` auto ends with; a third of them if `None`.
    """

    model: Any
    loss: Any
    metrics: list[Any]
    preprocessing: Preprocessing | TextPreprocessing
    targets: Callable[[Any], np.ndarray]
    augmentation: list[Any] = field(default_factory=list)
    sample_weights: Callable[[np.ndarray], np.ndarray] | None = None
    decisions: dict[str, str] = field(default_factory=dict)
    unfrozen: int | None = None
