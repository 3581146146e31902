"""Metrics are those that their definitions give, and refuse what cannot be measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kfine.answers.classes.metrics import classification_metrics
from kfine.errors import DataError, RunError

NAMES = ["ant", "bee", "cat", "dog"]


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    """Imperfect answers for three of the four classes."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 120)
    logits = random.normal(size=(120, 4)) + 1.5 * np.eye(4)[labels]
    exponents = np.exp(logits)
    return exponents / exponents.sum(axis=1, keepdims=True), labels


def test_figures_are_those_that_their_definitions_give(
    scored: tuple[np.ndarray, np.ndarray],
) -> None:
    probabilities, labels = scored
    predictions = probabilities.argmax(axis=1)
    measured = classification_metrics(probabilities, labels, NAMES)

    assert measured["count"] == 120
    assert measured["accuracy"] == pytest.approx((predictions == labels).mean(), abs=1e-12)
    losses = [-np.log(row[label]) for row, label in zip(probabilities, labels, strict=True)]
    assert measured["loss"] == pytest.approx(np.mean(losses), abs=1e-12)
    assert list(measured["per_class"]) == NAMES
    f1 = []
    for true, name in enumerate(NAMES):
        counts = [int(((labels == true) & (predictions == one)).sum()) for one in range(4)]
        assert measured["confusion_matrix"][true] == counts
        hits, support, predicted = counts[true], sum(counts), int((predictions == true).sum())
        f1.append(2 * hits / (support + predicted))
        expected = [hits / predicted, hits / support if support else 0, f1[true], support]
        assert list(measured["per_class"][name]) == ["precision", "recall", "f1", "support"]
        got = list(measured["per_class"][name].values())
        assert got == pytest.approx(expected, abs=1e-12)
    assert measured["macro_f1"] == pytest.approx(np.mean(f1[:3]), abs=1e-12)


def test_rows_of_the_confusion_matrix_are_true_classes() -> None:
    measured = classification_metrics(np.array([[0.1, 0.9]]), np.array([0]), ["no", "yes"])
    assert measured["confusion_matrix"] == [[0, 1], [0, 0]]


def test_a_class_that_never_occurs_does_not_lower_macro_f1() -> None:
    probabilities = np.eye(3)[[0, 1]]
    measured = classification_metrics(probabilities, np.array([0, 1]), ["a", "b", "absent"])
    assert measured["macro_f1"] == 1.0
    assert measured["per_class"]["absent"]["support"] == 0
    assert measured["missing_classes"] == ["absent"]


def test_a_class_without_examples_is_not_scored_although_it_is_predicted() -> None:
    probabilities = np.eye(3)[[0, 1, 2, 0]]
    measured = classification_metrics(probabilities, np.array([0, 1, 1, 0]), ["a", "b", "absent"])
    assert measured["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert measured["per_class"]["absent"]["f1"] == 0
    assert measured["missing_classes"] == ["absent"]


def test_the_interval_holds_the_accuracy_and_stays_open_when_all_are_right() -> None:
    low, high = classification_metrics(np.eye(2), np.array([0, 1]), ["a", "b"])["accuracy_interval"]
    assert 0.0 < low < 0.5
    assert high == pytest.approx(1.0)


def test_a_certain_mistake_costs_a_finite_loss() -> None:
    measured = classification_metrics(np.array([[1.0, 0.0]]), np.array([1]), ["a", "b"])
    assert measured["loss"] == pytest.approx(-np.log(1e-7))


def test_metrics_are_plain_json(scored: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, labels = scored
    measured = classification_metrics(
        probabilities.astype(np.float32), labels.astype(np.int32), NAMES
    )
    assert json.loads(json.dumps(measured)) == measured


def test_nan_is_refused_rather_than_counted_as_the_first_class() -> None:
    probabilities = np.array([[np.nan, np.nan], [0.2, 0.8]])
    with pytest.raises(RunError, match="1 of 2 examples"):
        classification_metrics(probabilities, np.array([0, 1]), ["a", "b"])


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="no examples"):
        classification_metrics(np.zeros((0, 2)), np.zeros(0, np.int32), ["a", "b"])


@pytest.mark.parametrize(
    ("shape", "labels", "said"),
    [
        ((2, 3), [0, 1], "shape"),
        ((3, 2), [0, 1], "shape"),
        ((2, 2), [0, 2], "2"),
        ((2, 2), [0, -1], "-1"),
    ],
)
def test_what_does_not_belong_together_is_named(
    shape: tuple[int, int], labels: list[int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        classification_metrics(np.full(shape, 0.5), np.array(labels), ["a", "b"])


def test_a_threshold_of_being_sure_halves_the_errors() -> None:
    from kfine.answers.classes.metrics import unsure

    chance = np.random.default_rng(0)
    sure = 1 - 0.5 * chance.uniform(0, 1, 2000) ** 2
    labels = (chance.uniform(size=2000) > sure).astype(int)
    found = unsure(np.stack([sure, 1 - sure], axis=1), labels)
    assert found is not None
    kept = sure >= found["threshold"]
    # The threshold is rounded to a thousandth.
    assert kept.mean() == pytest.approx(found["kept"], abs=0.005) and found["kept"] >= 0.5
    assert (labels[kept] == 0).mean() == pytest.approx(found["accuracy"], abs=0.005)
    assert 1 - found["accuracy"] <= 0.5 * (labels == 1).mean()
    # Nothing to leave out, and nothing that tells right from wrong.
    assert unsure(np.stack([sure, 1 - sure], axis=1), 0 * labels) is None
    assert unsure(np.full((2000, 2), 0.5), labels) is None
