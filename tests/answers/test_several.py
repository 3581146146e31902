"""Several answers of one model, of which an example may lack some."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kfine.answers import MISSING, load_answer
from kfine.answers.classes import Classes
from kfine.answers.numbers import NumberCells, Numbers
from kfine.answers.several import Several, SeveralLabels, present
from kfine.data.labels import ClassLabels
from kfine.errors import DataError, RunError
from kfine.inputs.places import Whole

LABELS = [
    {"species": "cat", "weight": (4.0,)},
    {"species": "dog", "weight": MISSING},
    {"species": MISSING, "weight": (20.0,)},
]
SPECIES = Classes(("cat", "dog"))
WEIGHT = Numbers.of([(4.0,), (20.0,)], ["kg"], ["kg"])
BOTH = Several({"species": SPECIES, "weight": WEIGHT}, "species", {"weight": 0.5})
READER = SeveralLabels({"species": ClassLabels(("kind",)), "weight": NumberCells(("kg",))})


def test_a_row_may_lack_some_answers_but_not_all() -> None:
    assert READER.columns == ("kind", "kg")
    assert READER.read(["cat", "4"]) == LABELS[0]
    assert READER.read(["dog", ""]) == LABELS[1]
    assert READER.read([None, "20"]) == LABELS[2]
    with pytest.raises(DataError, match="no label"):
        READER.read(["", None])
    with pytest.raises(DataError, match="'heavy' in the column 'kg' is no number"):
        READER.read(["cat", "heavy"])


def test_what_is_missing_is_counted() -> None:
    assert [list(READER.missing(one)) for one in LABELS] == [[], ["weight"], ["species"]]
    assert list(READER.counted(LABELS[1])) == ["species dog"]
    assert READER.strata(LABELS) == ["cat", "dog", "no species"]
    assert present(LABELS, "weight") == [(4.0,), (20.0,)]


def test_an_answer_that_nobody_gives_is_refused() -> None:
    with pytest.raises(DataError, match="not one of 2 examples has a weight"):
        READER.names([LABELS[1], {"species": "cat", "weight": MISSING}])
    with pytest.raises(DataError, match="there is only one species, 'cat'"):
        READER.names([LABELS[0], {"species": "cat", "weight": (5.0,)}])
    with pytest.raises(DataError, match="not one of 1 examples has a species"):
        BOTH.encode(LABELS[2:], Whole(np.arange(1)))


@pytest.mark.keras
def test_a_missing_answer_weighs_nothing() -> None:
    targets = BOTH.encode(LABELS, Whole(np.array([0, 1, 1, 2])))
    np.testing.assert_array_equal(targets.rows["species"][:3], [[1, 0], [0, 1], [0, 1]])
    np.testing.assert_array_equal(targets.weights["species"], [1, 1, 1, 0])
    np.testing.assert_array_equal(targets.weights["weight"], [1, 0, 0, 1])
    assert np.isfinite(targets.rows["weight"]).all()
    whole = BOTH.encode(LABELS[:1], Whole(np.arange(1)))
    assert whole.weights == {}


@pytest.mark.keras
def test_outputs_losses_and_metrics_are_named_after_the_parts() -> None:
    assert set(BOTH.losses()) == set(BOTH.metrics()) == {"species", "weight"}
    assert BOTH.loss_weights == {"species": 1.0, "weight": 0.5}
    assert (BOTH.primary, BOTH.direction) == ("species_accuracy", "max")
    assert BOTH.watched == "species_accuracy"
    other = Several(BOTH.parts, "weight")
    assert (other.primary, other.direction) == ("weight_mean_absolute_error", "min")
    assert other.watched == "weight_mean_absolute_error"


@pytest.mark.keras
def test_outputs_become_predictions_and_scores_of_all_parts() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 3.0], [3.0, 0.0]], np.float32)
    standard = WEIGHT.encode([(4.0,), (9.0,), (20.0,)], Whole(np.arange(3))).rows["number"]
    finished = BOTH.finish({"species": logits, "weight": standard})
    assert set(finished) == {one.name for one in BOTH.device().tensors} == {"species", "weight"}
    arrays = {name: np.asarray(one) for name, one in finished.items()}
    found = BOTH.decode(arrays, Whole(np.arange(3)))
    assert [BOTH.settle(one)["species"] for one in found] == ["cat", "dog", "cat"]
    score = BOTH.score(found, LABELS)
    assert score.metrics["species_accuracy"] == 1.0
    assert score.metrics["weight_mean_absolute_error"] == pytest.approx(0, abs=1e-4)
    assert len(score.each) == 2, "of the examples that have a species"
    assert score.tables["species_confusion_matrix"] == [[1, 0], [0, 1]]
    rows = BOTH.describe(found[0])
    assert [one["answer"] for one in rows] == ["species", "species", "weight"]
    assert BOTH.row(found[1], LABELS[1])["weight"]["label"] is None
    (mistake,) = BOTH.mistakes(found, [LABELS[2], LABELS[1], {**LABELS[0], "species": "dog"}])
    assert (mistake.index, mistake.label, mistake.prediction) == (2, "dog", "cat")


def test_the_trivial_answers_of_all_parts_stand_together() -> None:
    trivial = BOTH.trivial(LABELS, LABELS)
    assert trivial.name == "majority_and_median"
    (one,) = trivial.predict([LABELS[0]])
    assert one["weight"] == [12.0]
    assert trivial.facts == {"species_majority_class": "cat"}


def test_a_description_brings_the_parts_back() -> None:
    again = load_answer(json.loads(json.dumps(BOTH.to_dict())))
    assert again == Several(BOTH.parts, "species")
    with pytest.raises(RunError, match="no kind 'colour' among kfine's answers"):
        load_answer({"kind": "several", "first": "a", "parts": {"a": {"kind": "colour"}}})
    with pytest.raises(ValueError, match="no part 'size'"):
        load_answer({**BOTH.to_dict(), "first": "size"})


def test_a_label_that_a_part_does_not_know_is_named_with_it() -> None:
    assert BOTH.unknown({"species": "cow", "weight": MISSING}) == ["species cow"]
    assert BOTH.unknown(LABELS[2]) == []
