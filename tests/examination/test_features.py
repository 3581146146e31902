"""What frozen features say of training examples."""

from __future__ import annotations

import numpy as np
import pytest

from kfine.answers.numbers import Numbers
from kfine.examination.features import doubtful_labels, worth_of_training
from kfine.examination.findings import Pool


class Numbered(Pool):
    """Examples with labels, the first of which train."""

    def __init__(self, labels: list[object], train: int) -> None:
        self.labels, self.train = labels, train

    def __len__(self) -> int:
        return len(self.labels)

    def place(self, number: int) -> tuple[str, str]:
        return ("train" if number < self.train else "validation"), str(number)

    def finding(self, kind: str, number: int, detail: str, **more: object) -> object:  # type: ignore[override]
        return number, detail, more


def test_training_examples_are_worth_what_a_classifier_of_neighbours_gets_right() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(400, 8)).astype(np.float32)
    labels = np.where(features[:, 0] > 0, "a", "b")
    turned = generator.choice(300, 15, replace=False)
    given = labels.copy()
    given[turned] = np.where(labels[turned] == "a", "b", "a")
    worth = worth_of_training(features, Numbered(given.tolist(), 300))
    assert worth is not None and worth.shape == (300,)
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    votes = [
        (given[np.argsort(-(units[:300] @ units[one]), kind="stable")[:5]] == given[one]).mean()
        for one in range(300, 400)
    ]
    # All that is got right is shared out among the examples.
    assert worth.sum() == pytest.approx(np.mean(votes))
    others = np.setdiff1d(np.arange(300), turned)
    assert worth[turned].mean() < 0 < worth[others].mean()
    assert len(set(np.argsort(worth)[:15]) & set(turned)) >= 5


def test_what_is_no_class_or_hardly_held_out_has_no_worth() -> None:
    features = np.ones((30, 2), np.float32)
    assert worth_of_training(features, Numbered([0.5] * 30, 5)) is None
    assert worth_of_training(features, Numbered(["a"] * 30, 25)) is None


def test_numbers_far_from_what_they_look_like_are_in_doubt() -> None:
    generator = np.random.default_rng(1)
    truth = generator.uniform(0, 10, 60)
    labels = [(float(one),) for one in truth]
    labels[7] = (float(truth[7]) * 10 + 50,)
    answer = Numbers.of(labels, ["length"], ["cm"])
    predictions = [np.array([one]) for one in truth + generator.normal(0, 0.3, 60)]
    first, *_ = doubtful_labels(answer, predictions, Numbered(list(labels), 60))
    number, detail, more = first  # type: ignore[misc]
    assert number == 7 and detail == f"looks like {predictions[7][0]:.4g} cm"
    assert more["suggestion"] == "look" and more["new_label"] == ""
    assert answer.doubts(predictions[:5], labels[:5]) == []
