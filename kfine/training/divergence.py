"""A loss that is no number any more: with such weights it never will be one again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def diverged(history: Sequence[Mapping[str, Any]]) -> str:
    """What the last epoch's validation loss is, in words; empty where it is a finite number.

    Without validation it is the training loss.
    """
    what, loss = loss_of(history[-1])
    if math.isfinite(loss):
        return ""
    return f"the {what} is {loss} after epoch {len(history)}"


def loss_of(epoch: Mapping[str, Any]) -> tuple[str, float]:
    """The loss that says how an epoch ended, and which one it is."""
    if "val_loss" in epoch:
        return "validation loss", float(epoch["val_loss"])
    return "training loss", float(epoch["loss"])
