"""The baselines know what they are meant to know, and nothing of the test split."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from kfine.answers.classes import Classes, probe
from kfine.answers.classes.probe import PROBE_STRENGTHS
from kfine.errors import DataError

DIGITS = [str(digit) for digit in range(10)]


def majority_baseline(train: np.ndarray, labels: np.ndarray, names: list[str]) -> dict[str, Any]:
    """The trivial answer, scored."""
    answer = Classes(tuple(names))
    trivial = answer.trivial([names[one] for one in train], [])
    score = answer.score(trivial.predict(labels.tolist()), [names[one] for one in labels])
    return {**score.to_dict(answer), **trivial.facts}


def linear_probe(*parts: np.ndarray, seed: int) -> dict[str, Any]:
    """The probe of the classes, scored; the parts as `digits` has them."""
    answer = Classes(tuple(DIGITS))
    named = [[DIGITS[one] for one in part] for part in parts[1::2]]
    predictions, facts = answer.probe((parts[0], named[0]), (parts[2], named[1]), parts[4], seed)
    found = answer.score(predictions, named[2]).to_dict(answer)
    return {**found, **facts, "predictions": [int(np.argmax(one)) for one in predictions]}


@pytest.fixture(scope="module")
def digits() -> list[np.ndarray]:
    """Train, validation and test features and labels, in the order of `linear_probe`."""
    from sklearn.datasets import load_digits

    data = load_digits()
    features, labels = data.data.astype(np.float32), data.target.astype(np.int32)
    bounds = (slice(0, 400), slice(400, 600), slice(600, 1200))
    return [part for bound in bounds for part in (features[bound], labels[bound])]


def test_the_majority_is_that_of_training() -> None:
    train, test = np.array([1, 1, 1, 0]), np.array([0, 0, 0, 1])
    scored = majority_baseline(train, test, ["ant", "bee"])
    assert scored["majority_class"] == "bee"
    assert scored["accuracy"] == 0.25
    assert scored["loss"] == pytest.approx(-np.log([2 / 6, 2 / 6, 2 / 6, 4 / 6]).mean())


def test_a_class_that_training_lacks_costs_a_finite_loss() -> None:
    scored = majority_baseline(np.array([0, 0]), np.array([1]), ["ant", "bee"])
    assert scored["loss"] == pytest.approx(-np.log(1 / 4))


def test_the_probe_reads_digits_from_their_pixels(digits: list[np.ndarray]) -> None:
    scored = linear_probe(*digits, seed=0)
    majority = majority_baseline(digits[1], digits[5], DIGITS)
    assert scored["accuracy"] > 0.8 > 4 * majority["accuracy"]
    assert scored["C"] in PROBE_STRENGTHS[scored["scaling"]]
    assert scored["held_out_accuracy"] > 0.8
    assert scored["converged"]
    # It is fitted on training and validation together once it is chosen.
    assert scored["train_count"] == 600
    assert json.loads(json.dumps(scored)) == scored


def test_the_strength_is_chosen_without_the_test_split(digits: list[np.ndarray]) -> None:
    scrambled = [*digits[:5], digits[5][::-1].copy()]
    first, second = (linear_probe(*parts, seed=0) for parts in (digits, scrambled))
    for key in ("C", "scaling", "held_out_accuracy"):
        assert first[key] == second[key]
    assert first["accuracy"] > second["accuracy"]


def test_the_probe_does_without_validation(digits: list[np.ndarray]) -> None:
    none = [digits[2][:0], digits[3][:0]]
    scored = linear_probe(*digits[:2], *none, *digits[4:], seed=0)
    assert scored["held_out_accuracy"] > 0.8
    assert scored["accuracy"] > 0.8


def test_the_probe_does_with_one_example_of_each_class(digits: list[np.ndarray]) -> None:
    firsts = [int(np.flatnonzero(digits[1] == one)[0]) for one in range(10)]
    none = [digits[2][:0], digits[3][:0]]
    one_each = [digits[0][firsts], digits[1][firsts]]
    scored = linear_probe(*one_each, *none, *digits[4:], seed=0)
    assert scored["held_out_accuracy"] is None
    assert scored["accuracy"] > 0.4


def test_the_probe_scales_features_as_the_data_asks() -> None:
    """The direction tells the class, and the length, such as that of a text, is noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 2
    features = rng.normal(0, 0.5, (240, 40)) + np.where(labels, 1, -1)[:, None] * np.eye(40)[0]
    features = features * np.exp(rng.normal(0, 2.5, (240, 1)))
    parts = [
        part
        for bound in (slice(0, 30), slice(30, 40), slice(40, 240))
        for part in (features[bound], labels[bound])
    ]
    assert linear_probe(*parts, seed=0)["scaling"] == "unit length"


def test_of_few_examples_small_features_stay_small() -> None:
    """Twenty features tell the classes; two hundred are noise that hardly varies."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from kfine.answers.classes.probe import linear_probe as fit_probe

    rng = np.random.default_rng(0)
    labels = np.arange(320) % 2
    told = rng.normal(0, 1, (320, 20)) + np.where(labels, 0.5, -0.5)[:, None]
    features = np.hstack([told, rng.normal(3, 0.05, (320, 200))])
    few, rest = slice(0, 20), slice(20, 320)
    found = fit_probe(
        features[few], labels[few], features[:0], labels[:0], classes=2, seed=0, start=True
    )
    assert found.facts["scaling"] == "centred"
    right = (found.probabilities(features[rest]).argmax(axis=1) == labels[rest]).mean()
    scaler = StandardScaler().fit(features[few])
    standard = LogisticRegression(C=0.01).fit(scaler.transform(features[few]), labels[few])
    assert right > standard.score(scaler.transform(features[rest]), labels[rest]) + 0.05


def test_columns_stay_in_place_when_training_lacks_a_class(digits: list[np.ndarray]) -> None:
    train, validation = digits[1] != 4, digits[3] != 4
    known = [digits[0][train], digits[1][train], digits[2][validation], digits[3][validation]]
    scored = linear_probe(*known, *digits[4:], seed=0)
    assert scored["per_class"]["4"]["recall"] == 0.0
    assert scored["per_class"]["5"]["recall"] > 0.8


def test_a_constant_feature_does_no_harm(digits: list[np.ndarray]) -> None:
    widened = [
        np.concatenate([part, np.full((len(part), 1), 7, np.float32)], axis=1)
        if part.ndim == 2
        else part
        for part in digits
    ]
    assert linear_probe(*widened, seed=0)["accuracy"] > 0.8


def test_a_draw_of_many_examples_is_seeded_and_keeps_rare_classes(
    digits: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "MOST_PROBE_EXAMPLES", 100)
    rare = np.concatenate([np.flatnonzero(digits[1] != 4), np.flatnonzero(digits[1] == 4)[:1]])
    features, labels = digits[0][rare], digits[1][rare]
    first, again = (linear_probe(features, labels, *digits[2:], seed=5) for _ in range(2))
    assert first == again
    assert first["train_count"] == 200

    counts = np.bincount(labels[probe._at_most(labels, 100, seed=5)], minlength=10)
    assert counts[4] == 1
    assert np.delete(counts, 4).min() >= 9


def test_one_class_only_is_refused(digits: list[np.ndarray]) -> None:
    with pytest.raises(DataError, match="two classes or more"):
        linear_probe(digits[0], np.zeros_like(digits[1]), *digits[2:], seed=0)
