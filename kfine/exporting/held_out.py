"""Held-out examples, and the judgement on a file's answers to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kfine.exporting.gate import Compared, Metric, Verdict, accuracy, judge, not_finite, weigh
from kfine.exporting.outputs import Inside


@dataclass(frozen=True)
class Judged:
    """The judgement on one file.

    Attributes:
        verdict: The gate's.
        right: bool `(examples,)`, which the file has right.
        recall_change: Class name -> the file's recall less the Keras model's, a fraction;
            classes without an example are left out. Empty where examples have no class.
    """

    verdict: Verdict
    right: np.ndarray
    recall_change: dict[str, float]


class Measurable(ABC):
    """Examples that an exported file is measured on.

    Attributes:
        examples: Raw ones, read one at a time.
        metric_name: The primary metric's.
    """

    examples: Iterable[Any]
    metric_name: str

    @abstractmethod
    def __len__(self) -> int:
        """How many examples."""

    @abstractmethod
    def judge(
        self, answers: Sequence[np.ndarray], class_names: Sequence[str], max_drop: float
    ) -> Judged:
        """Compare a file's answers with those of the Keras model.

        Args:
            answers: For each example what the file gave, `(rows, ...)`.
            class_names: In their order.
            max_drop: Largest allowed fall of the metric, a fraction.
        """


@dataclass(frozen=True)
class HeldOut(Measurable):
    """Examples of classes.

    Attributes:
        examples: Raw ones, read one at a time: uint8 RGB `(height, width, 3)` of any size, or
            texts, each a str or a tuple of two.
        labels: True classes, integers `(examples,)`.
        probabilities: The Keras model's, `(examples, classes)`.
        metric: The primary metric `(probabilities, labels) -> float`, more is better.
        metric_name: Its name.
    """

    examples: Iterable[Any]
    labels: np.ndarray
    probabilities: np.ndarray
    metric: Metric = accuracy
    metric_name: str = "accuracy"

    def __len__(self) -> int:
        return len(self.labels)

    def judge(
        self, answers: Sequence[np.ndarray], class_names: Sequence[str], max_drop: float
    ) -> Judged:
        labels, probabilities = np.asarray(self.labels), np.concatenate(answers)
        verdict = judge(
            self.probabilities,
            probabilities,
            labels,
            metric=self.metric,
            metric_name=self.metric_name,
            max_drop=max_drop,
        )
        before = np.asarray(self.probabilities).argmax(axis=1) == labels
        right = probabilities.argmax(axis=1) == labels
        return Judged(verdict, right, recall_change(before, right, labels, class_names))


@dataclass(frozen=True)
class HeldOutInside(Measurable):
    """Texts whose answers stand inside them, which a recipe reads.

    Attributes:
        examples: As the recipe's data has them.
        count: How many.
        logits: The Keras model's, `(rows, pieces, ...)`, rows in the order of the examples.
        output: What comes out of the file.
        read: The recipe's `interpret`, from logits of all rows to a prediction for each example.
        describe: From a prediction to what was found.
        right: From the predictions to which of them are right.
        score: From the predictions to the primary metric, more is better.
        metric_name: Its name.
    """

    examples: Iterable[Any]
    count: int
    logits: np.ndarray
    output: Inside
    read: Callable[[np.ndarray], Any]
    describe: Callable[[Any], list[dict[str, Any]]]
    right: Callable[[Any], np.ndarray]
    score: Callable[[Any], float]
    metric_name: str

    def __len__(self) -> int:
        return self.count

    def judge(
        self, answers: Sequence[np.ndarray], class_names: Sequence[str], max_drop: float
    ) -> Judged:
        broken = sum(not np.isfinite(one).all() for one in answers)
        if broken:
            verdict = not_finite("the file", broken, self.count, self.metric_name)
            return Judged(verdict, np.zeros(self.count, bool), {})
        before = self.read(self.logits)
        after = self.read(self.output.logits(np.concatenate(answers)))
        found = [[self.describe(one) for one in predictions] for predictions in (before, after)]
        compared = Compared(
            right_before=self.right(before),
            right_after=self.right(after),
            reference=self.score(before),
            exported=self.score(after),
            agreement=self.output.agreement(*found),
        )
        verdict = weigh(
            compared,
            metric_name=self.metric_name,
            max_drop=max_drop,
            share=f"the {self.output.right}",
        )
        return Judged(verdict, compared.right_after, {})


def recall_change(
    right_before: np.ndarray, right_after: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> dict[str, float]:
    """Class name -> change of its recall, a fraction; classes without an example left out."""
    change = {}
    for label, name in enumerate(names):
        of_class = labels == label
        if of_class.any():
            fall = right_after[of_class].mean() - right_before[of_class].mean()
            change[name] = round(float(fall), 6)
    return change
