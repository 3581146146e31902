"""A loss that is no number any more: with such weights it never will be one again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def diverged(history: Sequence[Mapping[str, Any]]) -> str:
    """What the last epoch's validation loss is, in words; empty where it is a finite number."""
    loss = history[-1]["val_loss"]
    if math.isfinite(loss):
        return ""
    return f"the validation loss is {loss} after epoch {len(history)}"
