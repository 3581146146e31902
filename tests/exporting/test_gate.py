"""The gate's rule, on probabilities made for the purpose."""

from __future__ import annotations

import numpy as np
import pytest

from kfine.errors import ExportError
from kfine.exporting.gate import judge


def probabilities(classes: np.ndarray, count: int = 4) -> np.ndarray:
    return 0.1 + 0.6 * np.eye(count, dtype=np.float32)[classes]


def with_errors(labels: np.ndarray, wrong: int, start: int = 0) -> np.ndarray:
    classes = labels.copy()
    classes[start : start + wrong] = (classes[start : start + wrong] + 1) % 4
    return probabilities(classes)


LABELS = np.arange(400) % 4


def test_an_equal_file_passes() -> None:
    verdict = judge(with_errors(LABELS, 20), with_errors(LABELS, 20), LABELS)
    assert verdict.passed
    assert verdict.agreement == 1.0
    assert verdict.drop == 0.0
    assert verdict.reasons == ()


def test_a_drop_beyond_the_limit_and_beyond_chance_is_refused() -> None:
    verdict = judge(with_errors(LABELS, 0), with_errors(LABELS, 12), LABELS)
    assert not verdict.passed
    assert verdict.drop == pytest.approx(0.03)
    assert verdict.p_value == pytest.approx(2**-12)
    assert "3.0 points" in verdict.reasons[0]
    assert "1.0 points allowed" in verdict.reasons[0]


def test_a_drop_that_may_be_chance_passes_with_its_interval() -> None:
    labels = LABELS[:60]
    verdict = judge(with_errors(labels, 2), with_errors(labels, 4, start=1), labels)
    assert verdict.drop is not None
    assert verdict.drop > 0.01
    assert verdict.p_value is not None
    assert verdict.p_value > 0.1
    assert verdict.passed
    assert not verdict.resolvable
    assert "60 held-out examples are too few" in verdict.note


def test_a_drop_of_exactly_the_limit_is_allowed() -> None:
    verdict = judge(with_errors(LABELS, 0), with_errors(LABELS, 4), LABELS)
    assert verdict.p_value is not None
    assert verdict.p_value <= 0.1
    assert verdict.passed


def test_the_limit_is_the_users() -> None:
    assert judge(with_errors(LABELS, 0), with_errors(LABELS, 12), LABELS, max_drop=0.05).passed


def test_a_large_set_resolves_the_limit() -> None:
    labels = np.arange(20_000) % 4
    verdict = judge(with_errors(labels, 100), with_errors(labels, 120), labels)
    assert verdict.resolvable
    assert verdict.note == ""


def test_low_agreement_is_refused_even_without_a_drop() -> None:
    wrong = with_errors(LABELS, 200)
    other = wrong.copy()
    other[:60] = np.roll(other[:60], 1, axis=1)
    verdict = judge(wrong, other, LABELS)
    assert verdict.drop == 0.0
    assert not verdict.passed
    assert "agrees" in verdict.reasons[0]


def test_a_gain_passes() -> None:
    verdict = judge(with_errors(LABELS, 20), with_errors(LABELS, 5), LABELS)
    assert verdict.passed
    assert verdict.drop is not None
    assert verdict.drop < 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    good = with_errors(LABELS, 0)
    bad = good.copy()
    bad[7, 1] = value
    verdict = judge(good, bad, LABELS)
    assert not verdict.passed
    assert "the file gives NaN or infinity for 1 of 400" in verdict.reasons[0]
    assert "the Keras model itself" in judge(bad, good, LABELS).reasons[0]


def test_the_metric_is_the_recipes() -> None:
    def first_class_recall(values: np.ndarray, labels: np.ndarray) -> float:
        return float(np.mean(values.argmax(axis=1)[labels == 0] == 0))

    verdict = judge(
        with_errors(LABELS, 0),
        with_errors(LABELS, 16),
        LABELS,
        metric=first_class_recall,
        metric_name="recall",
    )
    assert verdict.drop == pytest.approx(0.04)
    assert verdict.reasons[0].startswith("recall falls by 4.0 points")


def test_no_examples_is_an_error() -> None:
    with pytest.raises(ExportError, match="received none"):
        judge(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0, int))


def test_other_examples_or_classes_is_an_error() -> None:
    with pytest.raises(ExportError, match="the same examples and classes"):
        judge(np.zeros((4, 4)), np.zeros((4, 5)), np.zeros(4, int))
