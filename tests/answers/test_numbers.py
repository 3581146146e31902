"""Numbers in their units: read from columns, learned standardised, scored in units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kfine.answers.numbers import NumberCells, Numbers, columns_and_units
from kfine.answers.score import agreement_of
from kfine.data.manifest import read_manifest
from kfine.errors import ConfigError, DataError, RunError
from kfine.exporting.measuring.gate import weigh
from kfine.inputs.places import Whole

AGES = [(20.0,), (30.0,), (40.0,), (70.0,)]
AGE = Numbers.of(AGES, ["age"], ["years"])


@pytest.mark.parametrize(
    ("text", "columns", "units"),
    [
        ("age", ("age",), ("",)),
        ("age:years,weight:kg", ("age", "weight"), ("years", "kg")),
        ("weight (kg), height [cm]", ("weight (kg)", "height [cm]"), ("kg", "cm")),
    ],
)
def test_columns_come_with_their_units(
    text: str, columns: tuple[str, ...], units: tuple[str, ...]
) -> None:
    assert columns_and_units(text) == (columns, units)


@pytest.mark.parametrize("text", ["", " , ", "age,age:years"])
def test_columns_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Columns are a list"):
        columns_and_units(text)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", "no number in the column 'age'"),
        (None, "no number in the column 'age'"),
        (True, "no number in the column 'age'"),
        ("old", "'old' in the column 'age' is no number"),
        ("1,5", "wanted is a decimal point"),
        ("nan", "no finite number"),
        (float("inf"), "no finite number"),
    ],
)
def test_a_cell_that_is_no_number_says_so(cell: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        NumberCells(("age",)).read([cell])


def test_rows_without_a_number_are_set_aside_and_named(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(b"x")
    table = tmp_path / "ages.csv"
    table.write_text("path;Age\na.png;1.5\nb.png;1,5\nc.png;-3e1\n")
    source = read_manifest(table, NumberCells(("age",)))
    assert [one.label for one in source.records] == [(1.5,), (-30.0,)]
    (aside,) = source.set_aside
    assert aside.name == "b.png" and "decimal point" in aside.reason


def test_numbers_that_are_all_the_same_teach_nothing() -> None:
    with pytest.raises(DataError, match=r"all 2 examples have 3 in the column 'age'"):
        NumberCells(("age",)).names([(3.0,), (3.0,)])


def test_splits_balance_parts_from_small_to_large() -> None:
    strata = NumberCells(("age",)).strata([(float(n),) for n in range(50)])
    assert strata[0] == "part 1 of 5" and strata[49] == "part 5 of 5"
    assert {strata.count(one) for one in strata} == {10}
    assert set(NumberCells(("age",)).strata(AGES)) == {"part 1 of 1"}


@pytest.mark.keras
def test_targets_are_standardised_and_come_back_in_units() -> None:
    targets = AGE.encode(AGES, Whole(np.arange(4))).rows["number"]
    assert targets.mean() == pytest.approx(0, abs=1e-6)
    assert targets.std() == pytest.approx(1, abs=1e-6)
    finished = {"values": np.asarray(AGE.finish({"number": targets})["values"])}
    found = AGE.decode(finished, Whole(np.arange(4)))
    np.testing.assert_allclose(found, AGES, rtol=1e-5)


def test_errors_are_in_units_and_beside_the_spread_of_training() -> None:
    score = AGE.score([np.array([25.0]), np.array([30.0])], [(20.0,), (40.0,)])
    assert score.metrics["mean_absolute_error"] == 7.5
    assert score.metrics["root_mean_squared_error"] == pytest.approx(np.sqrt(62.5))
    assert AGE.median == (35.0,) and AGE.spread == (15.0,)
    assert score.metrics["relative_error"] == pytest.approx(0.5)
    assert score.tables["per_number"]["age"]["bias"] == -2.5
    assert score.tables["per_number"]["age"]["unit"] == "years"
    np.testing.assert_allclose(score.each, [1 - 5 / 15, 1 - 10 / 15])
    assert score.scale == 15.0
    assert score.resample is not None and score.resample(np.array([1, 1])) == 10.0
    assert AGE.score(AGES, AGES).right.all()


def test_several_numbers_of_different_units_are_judged_relative_to_each_spread() -> None:
    both = Numbers.of([(20.0, 0.1), (40.0, 0.3)], ["age", "share"])
    assert (AGE.primary, both.primary) == ("mean_absolute_error", "relative_error")
    score = both.score([(30.0, 0.1), (40.0, 0.3)], [(20.0, 0.1), (40.0, 0.3)])
    assert score.metrics["relative_error"] == pytest.approx(0.25)
    assert "mean_absolute_error" not in score.metrics


@pytest.mark.keras
def test_the_error_of_each_epoch_is_in_the_same_unit() -> None:
    ((metric,),) = AGE.metrics().values()
    targets = AGE.encode([(20.0,), (40.0,)], Whole(np.arange(2))).rows["number"]
    said = AGE.encode([(25.0,), (30.0,)], Whole(np.arange(2))).rows["number"]
    metric.update_state(targets, said)
    assert float(metric.result()) == pytest.approx(7.5, rel=1e-5)
    again = type(metric).from_config(metric.get_config())
    again.update_state(targets, said)
    assert float(again.result()) == pytest.approx(7.5, rel=1e-5)


def test_a_file_whose_error_rose_is_refused_and_one_whose_error_fell_is_not() -> None:
    """A mean absolute error that goes from 1 to 5 is no gain."""
    rng = np.random.default_rng(0)
    labels = [(float(one),) for one in rng.uniform(20, 70, 60)]
    near, far = ([np.array([one[0] + off]) for one in labels] for off in (1.0, 5.0))
    before, after = AGE.score(near, labels), AGE.score(far, labels)
    settings = {"primary": AGE.primary, "direction": AGE.direction, "agreement": 1.0}
    refused = weigh(before, after, **settings)
    assert not refused.passed
    assert "rises by 26.7 points of 15 from 1.000 to 5.000" in refused.reasons[0]
    assert weigh(after, before, **settings).passed
    assert agreement_of(AGE, near, far) == pytest.approx(1 - 4 / 15)


def test_a_linear_model_beats_the_median() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(120, 4))
    labels = [(float(40 + 10 * one),) for one in features[:, 0]]
    answer = Numbers.of(labels, ["age"])
    found, facts = answer.probe(
        (features[:80], labels[:80]), (features[80:100], labels[80:100]), features[100:], 0
    )
    trivial = answer.trivial(labels[:80], features)
    guessed = answer.score(trivial.predict(features[100:]), labels[100:])
    probed = answer.score(found, labels[100:])
    assert probed.metrics["mean_absolute_error"] < 0.2 * guessed.metrics["mean_absolute_error"]
    assert facts["alpha"] > 0


def test_predictions_are_said_with_their_units() -> None:
    assert AGE.describe(np.array([31.25])) == [{"number": "age", "value": 31.25, "unit": "years"}]
    row = AGE.row(np.array([31.25]), (30.0,))
    assert row == {"label": {"age": 30.0}, "prediction": {"age": 31.25}}


def test_what_is_no_number_is_not_scored() -> None:
    with pytest.raises(RunError, match="NaN"):
        AGE.score([np.array([np.nan])], [(3.0,)])
    with pytest.raises(DataError, match="nothing to score"):
        AGE.score([], [])
    with pytest.raises(DataError, match="2 numbers for each example"):
        Numbers.of([(1.0,)], ["a", "b"])


def test_what_was_said_of_small_and_large_numbers_is_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = [(float(one), 0.1 * float(one)) for one in rng.uniform(20, 70, 30)]
    answer = Numbers.of(labels, ["age", "weight (kg)"], ["years", "kg"])
    answer.draw(tmp_path, answer.score([np.array(one) + 1 for one in labels], labels))
    with Image.open(tmp_path / "numbers.png") as image:
        assert min(image.size) > 200
