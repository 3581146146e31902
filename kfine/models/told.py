"""What models have in common that are told a text, and those that say one by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kfine.answers.said import CONFIDENCE, TOKENS
from kfine.models.groups import BACKBONE


def told_model(given: Mapping[str, Any], logits: Any, name: str) -> keras.Model:
    """A model around a nested one of the name `BACKBONE`, with inputs of the same names.

    Args:
        given: Its symbolic inputs, by name.
        logits: What it makes of them.
        name: Of the outer model.
    """
    inner = keras.Model(given, logits, name=BACKBONE)
    outer = {
        name: keras.Input(one.shape[1:], dtype=one.dtype, name=name) for name, one in given.items()
    }
    return keras.Model(outer, inner(outer), name=name)


def said_specs(batch: Any, longest: int) -> dict[str, Any]:
    """What a model that says by itself gives, without tracing its loop."""
    return {
        TOKENS: keras.KerasTensor((batch, longest), "int32"),
        CONFIDENCE: keras.KerasTensor((batch,), "float32"),
    }
