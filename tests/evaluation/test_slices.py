"""Scores by what columns tell apart, with figures counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kfine.answers.classes import Classes
from kfine.answers.labels import Labels
from kfine.answers.numbers import Numbers
from kfine.evaluation import by_columns
from kfine.evaluation.fairness import fairness
from kfine.statistics import gap_p_value, holm, mean_interval

ANSWER = Classes(("no", "yes"))


def said(yes: int, no: int) -> list[np.ndarray]:
    return [np.array([0.2, 0.8])] * yes + [np.array([0.7, 0.3])] * no


def test_a_slice_that_does_badly_is_told_from_chance() -> None:
    # 30 in the dark, 12 of them right; 60 in the light, 57 right; 3 at night; 2 say nothing.
    predictions = said(12, 18) + said(57, 3) + said(3, 0) + said(2, 0)
    light = ["dark"] * 30 + ["bright"] * 60 + ["night"] * 3 + ["", " "]
    labels = ["yes"] * 95
    (found,) = by_columns(ANSWER, predictions, labels, {"light": light})
    assert found["column"] == "light"
    bright, dark = found["slices"]
    assert (bright["value"], bright["count"], bright["accuracy"]) == ("bright", 60, 0.95)
    assert (dark["value"], dark["count"], dark["accuracy"]) == ("dark", 30, 0.4)
    assert dark["interval"] == pytest.approx([0.2459, 0.5768], abs=1e-3)
    # 60 right of the 63 others.
    assert dark["difference"] == pytest.approx(0.4 - 60 / 63)
    assert dark["p_value"] < 1e-6
    assert found["too_few"] == [{"value": "night", "count": 3}] and found["unstated"] == 2
    told = "\n".join(found["words"])
    assert "light dark: accuracy 0.400 on 30 examples, worse than the others by 0.552" in told
    assert "night (3)" in told and "2 examples have no value" in told


def test_chance_is_not_called_a_gap_and_numbers_become_ranges() -> None:
    generator = np.random.default_rng(3)
    right = generator.random(200) < 0.8
    predictions = [said(1, 0)[0] if one else said(0, 1)[0] for one in right]
    cells = {
        "age": [str(one) for one in generator.integers(18, 80, 200)],
        "site": [f"s{one}" for one in generator.integers(0, 6, 200)],
    }
    age, site = by_columns(ANSWER, predictions, ["yes"] * 200, cells)
    assert len(age["slices"]) == 4 and sum(one["count"] for one in age["slices"]) == 200
    assert age["slices"][0]["value"].startswith("18 to ")
    assert len(site["slices"]) == 6
    for one in (age, site):
        assert "no slice differs" in one["words"][0] and "four times in five" in one["words"][1]


def test_four_fifths_and_equalised_odds_of_a_sensitive_column() -> None:
    # Of each sex half is yes. 20 of 40 women and 8 of 40 men are given yes.
    labels = (["yes"] * 20 + ["no"] * 20) * 2
    women = said(18, 2) + said(2, 18)
    men = said(8, 12) + said(0, 20)
    cells = {"sex": ["f"] * 40 + ["m"] * 40}
    (found,) = by_columns(ANSWER, [*women, *men], labels, cells, ["sex"])
    yes = found["fairness"]["yes"]
    assert yes["rates"] == {"f": 0.5, "m": 0.2} and yes["ratio"] == pytest.approx(0.4)
    assert 0.001 <= yes["p_value"] < 0.05
    assert yes["recalls"] == {"f": 0.9, "m": 0.4}
    assert yes["false_positives"] == {"f": 0.1, "m": 0.0}
    assert yes["odds"] == pytest.approx(0.5)
    told = "\n".join(found["words"])
    assert "yes is given to 20.0% of m and 50.0% of f, 0.40 of it, below four fifths" in told
    assert "recall or false positives of slices are at most 0.500 apart" in told


def test_groups_that_are_alike_are_rarely_said_to_be_treated_unlike() -> None:
    generator = np.random.default_rng(0)
    groups = {str(one): np.arange(50 * one, 50 * one + 50) for one in range(10)}
    alarms = 0
    for _ in range(40):
        given = generator.random(500) < 0.1
        predictions = [said(1, 0)[0] if one else said(0, 1)[0] for one in given]
        found = fairness(ANSWER, predictions, ["yes"] * 500, groups)
        assert found is not None and found["yes"]["ratio"] < 0.8
        alarms += found["yes"]["p_value"] <= 0.05
    assert alarms <= 5


@pytest.mark.parametrize("right", [0.8, 0.95])
def test_a_gap_of_the_size_that_is_said_is_found_four_times_in_five(right: float) -> None:
    small, large = 50, 250
    count = round(right * (small + large))
    predictions = said(count, small + large - count)
    cells = {"site": ["a"] * small + ["b"] * large}
    (found,) = by_columns(ANSWER, predictions, ["yes"] * (small + large), cells)
    (line,) = [one for one in found["words"] if "four times in five" in one]
    gap = int(line.split("gets ")[1].split("%")[0]) / 100
    generator, inside = np.random.default_rng(0), np.arange(small + large) < small
    seen = 0
    for _ in range(200):
        each = generator.random(small + large) < np.where(inside, right - gap, right)
        seen += gap_p_value(each.astype(float), inside) <= 0.05
    assert 0.7 < seen / 200 < 0.95


def test_ranges_hold_all_examples_whatever_their_digits() -> None:
    right, labels = said(400, 0), ["yes"] * 400
    times = [str(1_700_000_000 + one) for one in range(400)]
    zeros = ["0"] * 301 + [str(one) for one in range(1, 100)]
    time, zero = by_columns(ANSWER, right, labels, {"time": times, "zero": zeros})
    assert [one["count"] for one in time["slices"]] == [100] * 4
    assert time["slices"][0]["value"] == "1700000000 to 1700000099"
    assert (zero["slices"][0]["value"], zero["slices"][0]["count"]) == ("0", 301)
    assert [one["count"] for one in zero["slices"][1:]] == [33, 33, 33]


def test_labels_are_given_by_their_thresholds() -> None:
    answer = Labels(("a", "b"))
    predictions = [np.array([0.9, 0.1])] * 20 + [np.array([0.1, 0.9])] * 20
    rows = {"one": np.arange(20), "two": np.arange(20, 40)}
    found = fairness(answer, predictions, [("a",)] * 40, rows)
    assert found is not None and found["a"]["rates"] == {"one": 1.0, "two": 0.0}
    assert found["a"]["ratio"] == 0


def test_an_error_is_in_its_own_unit_and_a_smaller_one_is_better() -> None:
    values = np.random.default_rng(0).random((60, 1))
    labels = [tuple(one.tolist()) for one in values]
    answer = Numbers.of(labels, ["value"])
    predictions = list(values + np.array([[0.01]] * 30 + [[0.5]] * 30))
    cells = {"device": ["a"] * 30 + ["b"] * 30}
    (found,) = by_columns(answer, predictions, labels, cells, ["device"])
    first, second = found["slices"]
    assert first["interval"] == pytest.approx([0.01, 0.01]) and first[
        "difference"
    ] == pytest.approx(-0.49)
    assert second["p_value"] <= 0.05
    assert any("device b" in line and "worse" in line for line in found["words"])
    assert found["fairness"] is None and "need classes or labels" in found["words"][-1]


def test_one_value_has_nothing_to_compare_with() -> None:
    (found,) = by_columns(ANSWER, said(20, 0), ["yes"] * 20, {"a": ["x"] * 20})
    assert "nothing to compare" in found["words"][0]
    (found,) = by_columns(ANSWER, said(5, 0), ["yes"] * 5, {"a": ["x"] * 5})
    assert found["slices"] == [] and "needs" in found["words"][0]


def test_statistics_of_slices() -> None:
    # The least times four, then 0.03 x 3, which is above 0.04 x 2.
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    each = np.array([1.0] * 10 + [0.0] * 10)
    assert gap_p_value(each, np.arange(20) < 10) == pytest.approx(1.0825e-5, rel=1e-3)
    graded = np.random.default_rng(0).random(40)
    assert gap_p_value(graded, np.arange(40) % 2 == 0) > 0.05
    assert gap_p_value(graded + (np.arange(40) < 20), np.arange(40) < 20) == pytest.approx(0.001)
    low, high = mean_interval(graded)
    assert low < graded.mean() < high


def test_two_slices_are_compared_once() -> None:
    predictions = said(15, 5) + said(9, 11)
    cells = {"side": ["left"] * 20 + ["right"] * 20}
    (found,) = by_columns(ANSWER, predictions, ["yes"] * 40, cells)
    left, right = found["slices"]
    # Fisher's exact test of 15 of 20 and 9 of 20, not doubled.
    assert left["p_value"] == right["p_value"] == pytest.approx(0.1053, abs=1e-3)
