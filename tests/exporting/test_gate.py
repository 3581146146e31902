"""The gate's rule, on predictions made for the purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine.answers.classes import Classes
from kfine.answers.score import Score, agreement_of
from kfine.errors import ExportError
from kfine.exporting.measuring.gate import Verdict, weigh

CLASSES = Classes(("a", "b", "c", "d"))


def judge(before: np.ndarray, after: np.ndarray, labels: np.ndarray, **options: Any) -> Verdict:
    """The verdict on two models' probabilities."""
    true = [CLASSES.names[label] for label in labels]
    return weigh(
        CLASSES.score(before, true),
        CLASSES.score(after, true),
        primary="accuracy",
        direction="max",
        agreement=agreement_of(CLASSES, before, after),
        **options,
    )


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


def scores(metric: list[float], each: np.ndarray, resampled: bool = False) -> list[Score]:
    """The score of a model and of a file, whose primary metric is `error`."""
    found = []
    for value, one in zip(metric, each, strict=True):
        resample = (lambda rows, one=one: float(1 - one[rows].mean())) if resampled else None
        found.append(Score({"error": value}, one, resample=resample))
    return found


def test_an_error_that_rises_is_a_fall() -> None:
    """A mean absolute error that went from 1.0 to 5.0 does not pass."""
    each = np.stack([np.linspace(0.5, 1, 50), np.linspace(0, 0.2, 50)])
    before, after = scores([1.0, 5.0], each)
    verdict = weigh(before, after, primary="error", direction="min", agreement=1.0)
    assert not verdict.passed and verdict.drop == pytest.approx(4.0)
    assert verdict.reasons[0].startswith("error rises by 400.0 points from 1.000 to 5.000")
    back = weigh(after, before, primary="error", direction="min", agreement=1.0)
    assert back.passed and back.drop == pytest.approx(-4.0)


def test_the_fall_of_a_metric_with_a_unit_is_a_share_of_its_scale() -> None:
    each = np.stack([np.linspace(0.5, 1, 50), np.linspace(0.3, 0.8, 50)])
    before, after = (
        Score(one.metrics, one.each, scale=200.0) for one in scores([10.0, 11.0], each)
    )
    verdict = weigh(before, after, primary="error", direction="min", agreement=1.0)
    assert verdict.passed and verdict.drop == pytest.approx(1 / 200)


@pytest.mark.parametrize("resampled", [False, True])
def test_scores_between_right_and_wrong_are_tested_example_by_example(resampled: bool) -> None:
    chance = np.random.default_rng(0)
    one = chance.random(200)
    worse, alike = np.clip(one - 0.1, 0, 1), np.clip(one + chance.normal(0, 0.05, 200), 0, 1)
    for other, passes in ((worse, False), (alike, True)):
        before, after = scores([1 - one.mean(), 1 - other.mean()], [one, other], resampled)
        verdict = weigh(before, after, primary="error", direction="min", agreement=1.0)
        assert verdict.passed is passes, verdict
        assert verdict.p_value is not None and (verdict.p_value < 0.01) is not passes
        assert verdict.drop_interval is not None
        assert verdict.drop_interval[0] <= (verdict.drop or 0) <= verdict.drop_interval[1]


def test_the_primary_metric_decides_and_not_the_share_that_is_right() -> None:
    """Macro F1 of a rare class falls while accuracy hardly does."""
    labels = np.array([0] * 380 + [1] * 20)
    before, after = with_errors(labels, 0), probabilities(np.zeros(400, int))
    true = [CLASSES.names[label] for label in labels]
    one, other = CLASSES.score(before, true), CLASSES.score(after, true)
    verdict = weigh(one, other, primary="macro_f1", direction="max", agreement=0.95, max_drop=0.1)
    assert not verdict.passed and verdict.metric == "macro_f1"
    assert weigh(
        one, other, primary="accuracy", direction="max", agreement=0.95, max_drop=0.1
    ).passed


def test_no_examples_is_an_error() -> None:
    none = Score({"accuracy": 0.0}, np.zeros(0))
    with pytest.raises(ExportError, match="Received: 0 and 0"):
        weigh(none, none, primary="accuracy", direction="max", agreement=1.0)


def test_other_examples_are_an_error() -> None:
    four, five = (Score({"accuracy": 1.0}, np.ones(count)) for count in (4, 5))
    with pytest.raises(ExportError, match="the same held-out examples"):
        weigh(four, five, primary="accuracy", direction="max", agreement=1.0)
