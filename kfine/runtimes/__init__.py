"""Models that predict: a run's Keras model and exported files, behind one protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from kfine.answers import Answer
from kfine.inputs import Input


class Predictor(Protocol):
    """Anything that predicts.

    Attributes:
        input: What it is given.
        answer: What it answers.
    """

    @property
    def input(self) -> Input: ...

    @property
    def answer(self) -> Answer: ...

    def predict(self, examples: Iterable[Any]) -> Iterator[Any]:
        """One prediction for each example, in their order; a few examples at a time are held."""
        ...
