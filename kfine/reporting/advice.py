"""What learning curves say, in words, each with what could be tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# A validation loss that rises by this fraction of its least has risen.
_RISEN = 0.03
# A training loss that falls by this fraction in the last epoch goes on falling.
_FALLING = 0.03
# Fractions of examples that training gets right and validation does not.
_GAP = 0.1
_LEAST_EPOCHS = 3


def advice(history: Sequence[Mapping[str, Any]], watched: str, config: Any) -> list[str]:
    """Sentences on over- and underfitting; empty where the curves say nothing.

    Args:
        history: One entry per epoch, with `loss`, and `val_loss` where there is validation.
        watched: The metric of each epoch, such as `accuracy`.
        config: Of the run.
    """
    if len(history) < _LEAST_EPOCHS or "val_loss" not in history[0]:
        return []
    losses = [one["loss"] for one in history]
    held = [one["val_loss"] for one in history]
    best = min(range(len(held)), key=held.__getitem__)
    found = []
    if held[-1] > (1 + _RISEN) * held[best] and losses[-1] < losses[best]:
        found.append(
            f"the training loss fell and the validation loss rose from epoch {best + 2}: more "
            f"data, {_stronger(config)} would help; the weights of the best epoch were kept"
        )
    elif best == len(held) - 1 and losses[-2] - losses[-1] > _FALLING * losses[-2]:
        found.append(
            f"both losses were still falling in the last epoch: --epochs {2 * len(history)} would "
            "help"
        )
    last = history[best]
    gap = last.get(watched, 0.0) - last.get(f"val_{watched}", 0.0)
    if watched in last and 0 < last[watched] <= 1 and gap > _GAP:
        found.append(
            f"training examples are judged far better than validation examples ({watched} "
            f"{last[watched]:.2f} and {last['val_' + watched]:.2f}): more examples are worth more "
            "than more epochs"
        )
    return found


def _stronger(config: Any) -> str:
    ways = []
    if getattr(config, "augmentation", "strong") != "strong":
        ways.append("--augmentation strong")
    ways.append("fewer unfrozen groups (--unfreeze none trains the head alone)")
    return " or ".join(ways)
