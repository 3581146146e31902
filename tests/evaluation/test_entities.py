"""Entities are scored as conlleval and seqeval score them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kfine.answers.tags import Tags
from kfine.answers.tags.score import entity_metrics
from kfine.errors import DataError
from kfine.inputs.text.examples import TaggedText

# The example of seqeval's README: f1_score 0.50, accuracy_score 0.80, and the report below.
TRUE = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
FOUND = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]


def one(reference: str, predicted: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of one sentence."""
    measured = entity_metrics([predicted.split()], [reference.split()])
    return measured["precision"], measured["recall"], measured["f1"]


def test_the_example_of_seqeval_gives_its_figures() -> None:
    measured = entity_metrics(FOUND, TRUE)
    assert measured == {
        "count": 2,
        "token_count": 10,
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "support": 2,
        "macro_precision": 0.5,
        "macro_recall": 0.5,
        "macro_f1": 0.5,
        "token_accuracy": 0.8,
        "per_type": {
            "MISC": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
            "PER": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
        },
    }
    assert json.loads(json.dumps(measured)) == measured


@pytest.mark.parametrize(
    ("reference", "predicted", "figures"),
    [
        # The example of seqeval's strict mode: by default an I that begins counts as B.
        ("B-NP I-NP O", "I-NP I-NP O", (1, 1, 1)),
        # Type and both ends count: no part of an entity is worth anything.
        ("B-x I-x O", "B-x O O", (0, 0, 0)),
        ("B-x I-x O", "B-y I-y O", (0, 0, 0)),
        # conlleval: another type within an entity begins a new one.
        ("B-x I-y I-y", "B-x B-y I-y", (1, 1, 1)),
        ("B-x I-x I-x", "B-x I-x I-y", (0, 0, 0)),
        # Neighbours of one type are two entities, and one if the B is missed.
        ("B-x B-x O B-y", "B-x I-x O B-y", (1 / 2, 1 / 3, 2 / 5)),
        ("B-x E-x S-x", "B-x I-x B-x", (1, 1, 1)),
        # Nothing to find, nothing found.
        ("O O", "O O", (0, 0, 0)),
        ("O B-x", "O O", (0, 0, 0)),
        ("O O", "O B-x", (0, 0, 0)),
    ],
)
def test_entities_count_by_type_and_both_ends(
    reference: str, predicted: str, figures: tuple[float, float, float]
) -> None:
    assert one(reference, predicted) == pytest.approx(figures)


def test_micro_counts_entities_and_macro_counts_types() -> None:
    reference = ["B-a", "B-a", "B-a", "B-b", "O"]
    predicted = ["B-a", "B-a", "O", "B-c", "O"]
    measured = entity_metrics([predicted], [reference])
    assert [measured[key] for key in ("precision", "recall", "f1")] == [2 / 3, 2 / 4, 4 / 7]
    # A type that is only predicted has no part in the mean: a 0.8, b 0.
    assert measured["macro_f1"] == pytest.approx(0.8 / 2)
    assert measured["macro_recall"] == pytest.approx((2 / 3) / 2)
    assert measured["per_type"]["c"]["support"] == 0


def test_an_entity_does_not_reach_into_the_next_sentence() -> None:
    measured = entity_metrics([["B-x"], ["I-x"]], [["B-x"], ["B-x"]])
    assert (measured["f1"], measured["support"], measured["token_accuracy"]) == (1, 2, 0.5)


def test_the_baseline_knows_what_it_has_seen_with_one_type() -> None:
    def sentence(words: str, tags: str) -> TaggedText:
        return TaggedText("a", None, tuple(words.split()), tuple(tags.split()))

    train = [
        sentence("New York met Ada", "B-place I-place O B-person"),
        sentence("York Times and Paris", "B-place I-place O B-place"),
        sentence("York with Paris", "B-place O B-person"),
    ]
    # The longest first, from the left; Paris was two things, and Bob is new.
    scored = sentence("New York Times York Ada Paris Bob", "B-x I-x O B-place B-person O B-person")
    answer = Tags.of([one.tags for one in [*train, scored]])

    def baseline(train: list[TaggedText]) -> Any:
        trivial = answer.trivial([one.tags for one in train], train)
        assert trivial.name == "known_entities"
        return answer.score(trivial.predict([scored]), [scored.tags]).to_dict(answer)

    measured = baseline(train)
    assert measured["per_type"]["place"]["precision"] == 1 / 2
    assert measured["per_type"]["person"] == {
        "precision": 1,
        "recall": 0.5,
        "f1": 2 / 3,
        "support": 2,
    }
    assert baseline([sentence("a", "O")])["f1"] == 0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DataError, match="no tokens to measure"):
        entity_metrics([], [])
    with pytest.raises(ValueError, match="as many sentences and tags"):
        entity_metrics([["O"]], [["O", "O"]])
    with pytest.raises(ValueError, match="A tag is O or"):
        entity_metrics([["x"]], [["O"]])


def test_agreement_counts_the_entities_that_both_find() -> None:
    from kfine.answers.score import agreement_of

    tags = Tags(("O", "B-a", "I-a"))
    one, both, none = ("B-a", "O", "O"), ("B-a", "O", "B-a"), ("O",)
    assert agreement_of(tags, [both, none], [one, none]) == pytest.approx(2 / 3)
    assert agreement_of(tags, [none], [none]) == 1.0
