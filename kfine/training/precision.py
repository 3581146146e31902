"""Training in a lower precision: the layers compute in it, the weights stay float32."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from kfine.keras_private import flattened
from kfine.models.groups import LayerGroup

FLOAT32, BFLOAT16 = "float32", "mixed_bfloat16"
PRECISIONS = (FLOAT32, BFLOAT16)
_OWN = "_kfine_own_policy"


def compute_in(groups: Iterable[LayerGroup], precision: str) -> None:
    """Have the layers of a backbone compute in a precision; their weights stay as they are.

    As in mixed precision training (Micikevicius et al., 2018, https://arxiv.org/abs/1710.03740),
    with bfloat16, whose range is that of float32, so that no loss has to be scaled. The head and
    every softmax stay in float32, as Keras advises:
    https://keras.io/api/mixed_precision/

    Args:
        groups: Layer groups of a model, the head last.
        precision: One of `PRECISIONS`; the first gives every layer its own policy back.
    """
    *backbone, head = groups
    restore([layer for group in (*backbone, head) for layer in group.layers])
    if precision == FLOAT32:
        return
    kept = {id(one) for layer in head.layers for one in flattened(layer)}
    for group in backbone:
        for layer in group.layers:
            for one in flattened(layer):
                if id(one) not in kept and not isinstance(one, keras.layers.Softmax):
                    setattr(one, _OWN, one.dtype_policy)
                    one.dtype_policy = precision


def restore(layers: Iterable[Any]) -> None:
    """Give every layer inside some layers the policy back that it had before `compute_in`."""
    for layer in layers:
        for one in flattened(layer):
            own = vars(one).get(_OWN)
            if own is not None:
                one.dtype_policy = own
                delattr(one, _OWN)
