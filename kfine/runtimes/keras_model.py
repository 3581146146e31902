"""A Keras model between an input and an answer, as a predictor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from kfine.answers import Answer, named_outputs
from kfine.inputs import Encoded, Input
from kfine.inputs.places import rows_of
from kfine.inputs.walking import AT_ONCE
from kfine.models.answering import answering
from kfine.models.forward import Forward, forward_of

# Examples whose outputs are held at a time where a whole split is predicted.
_CHUNK = 512
# Rows that are written at a time: each token reads all weights, for one row or for many.
_WRITTEN = 16
# What is made of their outputs, such as maps at the size of an image, may be larger by far.
_FINISHED_BYTES = 64e6


@dataclass
class KerasPredictor:
    """A run's model.

    Attributes:
        model: A Keras model as it is trained; made into the one that answers.
        input: What it is given.
        answer: What it answers.
        batch_size: Rows that go through it together.
    """

    model: Any
    input: Input
    answer: Answer
    batch_size: int = AT_ONCE

    def __post_init__(self) -> None:
        own, self.model = self.model, answering(self.answer, self.model)
        if self.model is not own:
            self.batch_size = max(self.batch_size, _WRITTEN)

    def predict(self, examples: Iterable[Any]) -> Iterator[Any]:
        """One prediction for each raw example; a few are read at a time."""
        rest = iter(examples)
        call = None
        while chunk := list(islice(rest, self.batch_size)):
            encoded = self.input.encode(chunk)
            if encoded.lengths is not None:
                call = call or forward_of(self.model, exact=True)
            yield from self.predict_rows(encoded, len(chunk), call=call)

    def predict_split(self, split: Any) -> list[Any]:
        """One prediction for each example of a split."""
        return list(self.predict_rows(self.input.encode(split.inputs), len(split)))

    def predict_rows(
        self, encoded: Encoded, count: int, *, call: Callable[[Any], Any] | None = None
    ) -> Iterator[Any]:
        """One prediction for each of so many encoded examples."""
        forward = Forward(
            self.model,
            encoded.rows,
            self.input.prepare,
            self.batch_size,
            encoded.lengths,
            call,
        )
        yield from decoded(forward, encoded, count, self.answer)


def decoded(forward: Forward, encoded: Encoded, count: int, answer: Answer) -> Iterator[Any]:
    """Predictions of what a model gives for encoded examples, some at a time.

    Args:
        forward: Of the model, or of the upper part of it on rows of features.
        encoded: The examples; their rows have the numbers that `forward` knows them by.
        count: How many examples.
        answer: What the outputs mean.
    """
    for first in range(0, count, _CHUNK):
        last = min(first + _CHUNK, count)
        start, end = rows_of(encoded.places, first, last)
        outputs = forward.rows(np.arange(start, end))
        for low, high in _finished_together(answer, outputs, first, last, end - start):
            low_row, high_row = (row - start for row in rows_of(encoded.places, low, high))
            finished = finish(answer, _some(outputs, low_row, high_row))
            yield from answer.decode(finished, encoded.places.part(low, high))


def _finished_together(
    answer: Answer, outputs: Any, first: int, last: int, rows: int
) -> list[tuple[int, int]]:
    """Examples whose finished outputs are held together: maps of pixels are large."""
    if rows < 2:
        return [(first, last)]
    one = finish(answer, _some(outputs, 0, 1))
    each = sum(value.nbytes for value in one.values()) * rows / (last - first)
    step = max(1, int(_FINISHED_BYTES / max(1.0, each)))
    return [(low, min(low + step, last)) for low in range(first, last, step)]


def _some(outputs: Any, start: int, end: int) -> Any:
    import keras

    return keras.tree.map_structure(lambda one: one[start:end], outputs)


def finish(answer: Answer, outputs: Any) -> dict[str, np.ndarray]:
    """What an exported file would give for a model's outputs."""
    found = answer.finish(named_outputs(answer, outputs))
    return {name: np.asarray(value) for name, value in found.items()}
