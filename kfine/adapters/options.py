"""What an adapter is asked to be, and the methods that there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

# What the setting `adapter` takes, in words.
METHODS = {
    "lora": "a low-rank change of each kernel",
    "rslora": "the same at a scale for high ranks",
    "dora": "a low-rank change of direction, and a length",
    "ia3": "a factor for each output",
    "bitfit": "the biases",
    "norms": "scale and shift of the normalisations",
}
# Those of a rank.
LOW_RANK = ("lora", "rslora", "dora")


@dataclass(frozen=True)
class AdapterOptions:
    """An adapter.

    Attributes:
        method: One of `METHODS`.
        rank: Of the low-rank change.
        alpha: The change counts `alpha / rank` times, of rsLoRA `alpha / sqrt(rank)` times; twice
            the rank, or twice its root, if `None`.
        dropout: Share of the inputs of the change that training drops.
        targets: As in `find_targets`; chosen by the family if empty.
        whole_groups: Groups nearest the head that have no adapters and train as a whole.
    """

    method: str
    rank: int = 8
    alpha: float | None = None
    dropout: float = 0.0
    targets: str = ""
    whole_groups: int = 0

    def scale(self, rank: int) -> float:
        """How often the change of a layer counts whose rank is this."""
        if self.alpha is None:
            return 2.0
        return self.alpha / (math.sqrt(rank) if self.method == "rslora" else rank)
