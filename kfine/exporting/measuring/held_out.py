"""Held-out examples, and what the Keras model says of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kfine.answers import Answer
from kfine.answers.score import Score
from kfine.evaluation.told import Told


@dataclass(frozen=True)
class HeldOut:
    """Examples that an exported file is measured on.

    Attributes:
        examples: Raw ones, read one at a time; gone through anew for each file.
        labels: The truth of each.
        predictions: The Keras model's, one for each.
        answer: What both answer.
        told: What the Keras model thinks of each token of the replies that were wanted, for a
            format in which that is compared; else `None`.
        own: A recipe's module whose own kinds the file may name; `None` if all ship.
    """

    examples: Iterable[Any]
    labels: Sequence[Any]
    predictions: Sequence[Any]
    answer: Answer
    own: Any = None
    told: Told | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def score(self) -> Score:
        """Of the Keras model."""
        return self.answer.score(self.predictions, self.labels)
