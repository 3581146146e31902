"""Answers are scored as the official script of SQuAD 2.0 does."""

from __future__ import annotations

import json

import pytest

from kfine.answers.spans import Spans
from kfine.answers.spans.score import (
    answer_metrics,
    answer_scores,
    best_threshold,
    first_sentence,
    normalize_answer,
)
from kfine.errors import DataError
from kfine.inputs.text.examples import Question
from kfine.statistics import wilson_interval


def question(context: str, *answers: str) -> Question:
    return Question("q", None, "?", context, tuple((0, one) for one in answers), not answers)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Tower,\nof a London!", "tower of london"),
        ("theatre an-a", "theatre ana"),
        ("U.S.A.", "usa"),
        ("the", ""),
        ("«Zürich» – ÉCOLE", "«zürich» – école"),
    ],
)
def test_answers_are_normalised_by_the_official_rules(text: str, normal: str) -> None:
    assert normalize_answer(text) == normal


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "f1"),
    [
        ("The Tower", ["tower."], 1, 1.0),
        ("Tower of London", ["London Tower"], 0, 2 * 2 / 5),
        ("London", ["Paris", "in London", "London"], 1, 1.0),
        ("London", ["Paris", "in London"], 0, 2 / 3),
        # A word counts as often as both have it.
        ("no no no", ["no no"], 0, 4 / 5),
        ("", ["London"], 0, 0.0),
        ("", [], 1, 1.0),
        ("the", [], 1, 1.0),
        ("London", [], 0, 0.0),
        # A true answer that is nothing after normalising does not count beside others.
        ("", ["the", "London"], 0, 0.0),
        ("", ["the"], 1, 1.0),
    ],
)
def test_the_true_answer_that_fits_best_counts(
    prediction: str, references: list[str], exact: int, f1: float
) -> None:
    assert answer_scores(prediction, references) == (exact, pytest.approx(f1))


def test_questions_with_and_without_an_answer_are_told_apart() -> None:
    predictions = ["Ada", "in London", "", "something", ""]
    references = [["Ada"], ["London"], ["Babbage"], [], []]
    measured = answer_metrics(predictions, references)
    assert measured == {
        "count": 5,
        "exact_match": 2 / 5,
        "f1": pytest.approx((1 + 2 / 3 + 1) / 5),
        "exact_match_interval": list(wilson_interval(2, 5)),
        "has_answer": {"count": 3, "exact_match": 1 / 3, "f1": pytest.approx(5 / 9)},
        "no_answer": {"count": 2, "exact_match": 1 / 2, "f1": 1 / 2},
    }
    assert json.loads(json.dumps(measured)) == measured


def test_squad_1_has_no_part_without_an_answer() -> None:
    assert answer_metrics(["Ada"], [["Ada"]])["no_answer"] is None
    assert answer_metrics([""], [[]])["has_answer"] is None


def test_the_threshold_gives_the_highest_f1() -> None:
    # Answering the first two gains two; the third loses one, and the last wins it back.
    gaps = [-5.0, -1.0, 2.0, 7.0]
    predictions = ["a", "b", "c", "d"]
    references: list[list[str]] = [["a"], ["b"], [], ["d"]]
    assert best_threshold(gaps, predictions, references) == -1.0
    assert best_threshold(gaps, predictions, [["a"], [], ["c"], ["d"]]) == 7.0
    # Nothing is ever to be answered: below all gaps.
    assert best_threshold(gaps, predictions, [[], [], [], []]) < -5.0
    # Equal gaps are answered together: here one gains what the other loses.
    assert best_threshold([1.0, 1.0], ["a", "b"], [["a"], []]) < 1.0


def test_the_baseline_is_the_first_sentence_or_nothing() -> None:
    spans, train = Spans(("answer", "no answer")), [question("In London. It rained.", "London")]
    held_out = [question("At 3.5 km! So far.", "3.5 km"), question("x")]
    trivial = spans.trivial([("London",)], train)
    assert (trivial.name, trivial.facts) == ("first_sentence", {"answer": "first sentence"})
    score = spans.score(trivial.predict(held_out), [("3.5 km",), ()])
    assert score.metrics["f1"] == pytest.approx((4 / 5) / 2)
    assert score.each.tolist() == pytest.approx([4 / 5, 0])
    trivial = spans.trivial([("London",), (), ()], [*train, question("x"), question("y")])
    assert trivial.facts == {"answer": "nothing"}
    assert spans.score(trivial.predict(train), [("London",)]).metrics["f1"] == 0


def test_the_first_sentence_ends_before_white_space() -> None:
    assert first_sentence(" Version 1.5 is\nout. Yes.") == "Version 1.5 is\nout."
    assert first_sentence("no end") == "no end"


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DataError, match="no questions to measure"):
        answer_metrics([], [])
    with pytest.raises(DataError, match="no questions to find a threshold on"):
        best_threshold([], [], [])
    with pytest.raises(ValueError, match="Each question needs one prediction"):
        answer_metrics(["a"], [])


def test_agreement_counts_the_answers_that_are_the_same() -> None:
    from kfine.answers.score import agreement_of
    from kfine.answers.spans.best import Passage

    spans = Spans(("answer", "no answer"))
    one, none, other = (
        Passage(text, 0, len(text), 3.0, 1.0) for text in ("the tower", "", "a bridge")
    )
    assert agreement_of(spans, [one, none, one], [one, none, other]) == pytest.approx(2 / 3)
