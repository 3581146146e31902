"""What an adapter is asked to be, and the methods that there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kfine.config import nearest
from kfine.errors import ConfigError

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
# Of rsLoRA: at rank 16 it counts as often as LoRA does at any.
_ALPHA_OF_ROOT = 8.0


@dataclass(frozen=True)
class AdapterOptions:
    """An adapter.

    Attributes:
        method: One of `METHODS`.
        rank: Of the low-rank change.
        alpha: The change counts `alpha / rank` times, of rsLoRA `alpha / sqrt(rank)` times; if
            `None`, twice the rank, and 8 for rsLoRA.
        dropout: Share of the inputs of the change that training drops.
        targets: As in `find_targets`; chosen by the family if empty.
        whole_groups: Groups nearest the head that have no adapters and train as a whole.

    Raises:
        ConfigError: One of them is impossible.
    """

    method: str
    rank: int = 8
    alpha: float | None = None
    dropout: float = 0.0
    targets: str = ""
    whole_groups: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(
                f"There is no adapter {self.method!r}; {nearest(str(self.method), METHODS)}."
            )
        alpha = 1.0 if self.alpha is None else self.alpha
        for name, value, fits, words in (
            ("rank", self.rank, _is_count(self.rank, 1), "a whole number of at least 1"),
            ("alpha", self.alpha, _is_number(alpha) and alpha > 0, "a number above 0"),
            (
                "dropout",
                self.dropout,
                _is_number(self.dropout) and 0 <= self.dropout < 1,
                "at least 0 and below 1",
            ),
            ("targets", self.targets, isinstance(self.targets, str), "words with commas between"),
            (
                "whole_groups",
                self.whole_groups,
                _is_count(self.whole_groups, 0),
                "a whole number of at least 0",
            ),
        ):
            if not fits:
                raise ConfigError(f"{name} of an adapter must be {words}. Received: {value!r}")

    @property
    def scale(self) -> float:
        """How often the low-rank change counts."""
        if self.method == "rslora":
            alpha = _ALPHA_OF_ROOT if self.alpha is None else self.alpha
            return alpha / math.sqrt(self.rank)
        return 2.0 if self.alpha is None else self.alpha / self.rank


def words_of(asked: str) -> list[str]:
    """The words of the setting `adapter_targets`."""
    return [one.strip() for one in asked.split(",") if one.strip()]


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]
