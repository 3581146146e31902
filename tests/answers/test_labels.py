"""Several labels for each example: how they are written, learned, scored and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kfine.answers.labels import LabelLists, Labels, label_lists
from kfine.answers.labels.score import jaccard, label_metrics, macro_f1
from kfine.answers.score import agreement_of
from kfine.data.manifest import read_manifest
from kfine.errors import ConfigError, DataError, RunError
from kfine.inputs.places import Whole

WEATHER = Labels(("rain", "sun", "wind"))


@pytest.mark.parametrize(
    ("separator", "cell", "label"),
    [
        ("|", "sun|rain", ("rain", "sun")),
        ("|", " sun | rain |", ("rain", "sun")),
        ("|", "sun|sun", ("sun",)),
        ("|", "", ()),
        ("|", None, ()),
        (" ", "sun rain", ("rain", "sun")),
        ("|", ["sun", "rain"], ("rain", "sun")),
        ("|", [], ()),
    ],
)
def test_a_cell_holds_any_number_of_labels(
    separator: str, cell: object, label: tuple[str, ...]
) -> None:
    assert LabelLists(("weather",), separator).read([cell]) == label


def test_a_column_for_each_label_holds_yes_or_no() -> None:
    reader = label_lists("label", "|", "sun, wind ,rain")
    assert reader.columns == ("sun", "wind", "rain")
    assert reader.read(["1", "0", "yes"]) == ("rain", "sun")
    assert reader.read([True, False, None]) == ("sun",)
    with pytest.raises(DataError, match="'maybe' in the column 'wind' is neither 1 nor 0"):
        reader.read(["1", "maybe", "0"])


def test_settings_that_say_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="label_separator must be a sign"):
        label_lists("label", "")
    with pytest.raises(ConfigError, match="a column twice"):
        label_lists("label", "|", "sun,sun")


def test_a_manifest_is_read_with_lists_of_labels(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"x")
    table = tmp_path / "weather.csv"
    table.write_text("path,sun,wind\na.png,1,1\nb.png,0,maybe\n")
    source = read_manifest(table, label_lists(None, "", "sun,wind"))
    assert [(one.name, one.label) for one in source.records] == [("a.png", ("sun", "wind"))]
    (aside,) = source.set_aside
    assert "'maybe' in the column 'wind'" in aside.reason


def test_there_must_be_labels_with_two_examples_each() -> None:
    reader = LabelLists()
    assert reader.names([("sun",), ("rain", "sun"), ("rain",), ()]) == ("rain", "sun")
    with pytest.raises(DataError, match="not one example has a label"):
        reader.names([(), ()])
    with pytest.raises(DataError, match="only one example has the label 'hail'"):
        reader.names([("sun",), ("sun", "hail")])


def test_splits_balance_the_rarest_label_of_each_and_join_those_that_are_few() -> None:
    labels = [("sun",)] * 30 + [("sun", "wind")] * 12 + [("hail", "sun", "wind")] * 2
    strata = LabelLists().strata(labels)
    assert strata == ["sun"] * 30 + ["wind"] * 12 + ["sun"] * 2


def test_targets_are_one_for_each_label_that_an_example_has() -> None:
    targets = WEATHER.encode([("sun", "wind"), ()], Whole(np.arange(2)))
    np.testing.assert_array_equal(targets.rows["label"], [[0, 1, 1], [0, 0, 0]])
    with pytest.raises(DataError, match="does not know the label 'snow'"):
        WEATHER.encode([("snow",)], Whole(np.arange(1)))
    assert WEATHER.unknown(("snow", "sun")) == ["snow"]


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn import metrics

    rng = np.random.default_rng(0)
    truth = rng.random((60, 3)) < (0.2, 0.5, 0.7)
    probabilities = np.clip(truth * 0.4 + rng.random((60, 3)) * 0.6, 0, 1)
    found = label_metrics(probabilities, truth, WEATHER.names, np.full(3, 0.5))
    said = probabilities >= 0.5
    for key, average in (("macro_f1", "macro"), ("micro_f1", "micro")):
        assert found[key] == pytest.approx(metrics.f1_score(truth, said, average=average))
    assert found["exact"] == pytest.approx(metrics.accuracy_score(truth, said))
    assert found["mean_average_precision"] == pytest.approx(
        metrics.average_precision_score(truth, probabilities, average="macro")
    )
    loss = np.mean([metrics.log_loss(truth[:, i], probabilities[:, i]) for i in range(3)])
    assert found["loss"] == pytest.approx(loss, rel=1e-4)
    some = truth.any(axis=1)
    pairs = zip(truth[some], said[some], strict=True)
    common = [metrics.jaccard_score(one, other) for one, other in pairs]
    np.testing.assert_allclose(jaccard(said, truth)[some], common)


def test_a_label_that_occurs_nowhere_does_not_count() -> None:
    truth = np.array([[True, False], [False, False]])
    assert macro_f1(truth, truth) == 1.0
    assert macro_f1(truth & False, truth & False) == 1.0
    found = label_metrics(truth * 1.0, truth, ("a", "b"), np.full(2, 0.5))
    assert found["per_class"]["b"]["average_precision"] is None
    assert found["mean_average_precision"] == 1.0
    assert found["missing_labels"] == ["b"]


def test_a_label_that_a_set_lacks_does_not_lower_macro_f1_where_it_is_given() -> None:
    truth = np.array([[True, False, False], [True, False, False], [False, True, False]])
    given = truth | np.array([[False, False, True]] * 3)
    found = label_metrics(given * 1.0, truth, WEATHER.names, np.full(3, 0.5))
    assert found["macro_f1"] == 1.0 and found["micro_f1"] < 1
    assert found["missing_labels"] == [WEATHER.names[2]]
    assert macro_f1(given, truth & False) == 0.0


def test_a_fall_of_the_primary_metric_is_measured_over_resampled_examples() -> None:
    labels = [("sun",), ("rain",), ("wind", "sun"), ()]
    score = WEATHER.score([np.array(one) for one in WEATHER.probabilities(labels)], labels)
    assert score.metrics["macro_f1"] == 1.0 and score.right.all()
    wrong = WEATHER.score([("rain",), ("rain",), ("wind",), ("sun",)], labels)
    assert wrong.each.tolist() == [0, 1, 0.5, 0]
    assert wrong.resample is not None
    assert wrong.resample(np.arange(4)) == pytest.approx(wrong.metrics["macro_f1"])
    assert wrong.resample(np.array([1, 1])) == 1.0


def test_what_is_said_is_from_half_on_and_everything_is_described() -> None:
    prediction = np.array([0.2, 0.9, 0.5], np.float32)
    assert WEATHER.settle(prediction) == ("sun", "wind")
    rows = WEATHER.describe(prediction)
    assert [(one["label"], one["given"]) for one in rows] == [
        ("sun", True),
        ("wind", True),
        ("rain", False),
    ]
    row = WEATHER.row(prediction, ("rain",))
    assert (row["label"], row["prediction"]) == (["rain"], ["sun", "wind"])
    assert agreement_of(WEATHER, [prediction], [prediction]) == 1.0


def test_mistakes_are_those_with_a_label_too_many_or_too_few() -> None:
    predictions = [np.array([0.0, 0.9, 0.0]), np.array([0.6, 0.9, 0.0]), np.array([0.0, 0.1, 0.0])]
    found = WEATHER.mistakes(predictions, [("sun",), ("sun",), ("sun",)])
    assert [(one.index, one.label, one.prediction) for one in found] == [
        (2, "sun", "none"),
        (1, "sun", "rain, sun"),
    ]
    assert found[0].probability == pytest.approx(0.9)


def test_a_model_that_gives_no_number_is_not_scored() -> None:
    with pytest.raises(RunError, match="NaN"):
        WEATHER.score([np.array([np.nan, 0, 0])], [("sun",)])
    with pytest.raises(DataError, match="nothing to score"):
        WEATHER.score([], [])


def test_the_linear_probe_finds_labels_that_are_in_the_features() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((200, 3)) < 0.4
    features = truth + rng.normal(0, 0.2, truth.shape)
    labels = [tuple(np.array(WEATHER.names)[one]) for one in truth]
    found, facts = WEATHER.probe(
        (features[:120], labels[:120]), (features[120:160], labels[120:160]), features[160:], 0
    )
    assert WEATHER.score(found, labels[160:]).metrics["macro_f1"] > 0.95
    assert set(facts["C"]) == set(WEATHER.names)
    trivial = WEATHER.trivial(labels[:120], features[:120])
    guessed = WEATHER.score(trivial.predict(features[160:]), labels[160:])
    assert guessed.metrics["macro_f1"] < 0.5


def test_a_label_that_is_missing_or_too_many_is_doubted() -> None:
    random = np.random.default_rng(0)
    truth = random.random((400, 3)) < 0.4
    held = truth.copy()
    wrong = random.choice(400, 20, replace=False)
    held[wrong, 1] ^= True
    sure = np.clip(truth + random.normal(0, 0.15, truth.shape), 0.02, 0.98)
    answer = Labels(("fog", "rain", "sun"))
    labels = [
        tuple(name for name, one in zip(answer.names, row, strict=True) if one) for row in held
    ]
    found = answer.doubts(list(sure), labels)
    assert {one.number for one in found[:15]} <= set(wrong)
    assert len({one.number for one in found} & set(wrong)) >= 18
    for one in found[:15]:
        right = "|".join(
            name for name, has in zip(answer.names, truth[one.number], strict=True) if has
        )
        assert one.label == right and one.probability > 0.5 > one.given
    # One that all have tells nothing.
    assert answer.doubts([np.full(3, 0.9)] * 20, [("rain",)] * 20) == []
