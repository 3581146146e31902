from __future__ import annotations

import pytest

from kfine.answers.classes import Classes
from kfine.data.checks import (
    check_decoded,
    check_known_labels,
    check_labels,
    check_training,
    content_warnings,
    find_shared,
)
from kfine.data.records import Record, SetAside
from kfine.errors import DataError


def labelled(*labels: str) -> list[Record]:
    return [Record(f"{label}/{i}", label, "train") for i, label in enumerate(labels)]


def test_class_names_are_sorted() -> None:
    assert check_labels(labelled("b", "a", "b", "a")) == (("a", "b"), [])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ((), "no examples"),
        (("cat", "cat"), "only one class, 'cat' with 2 examples"),
        (("cat", "cat", "dog"), "only one example in the class 'dog': add more .* or remove"),
        (tuple("abccdefgh"), "'a', 'b', 'd', 'e', 'f' and 2 more"),
    ],
)
def test_what_cannot_be_learned_is_one_sentence(labels: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        check_labels(labelled(*labels))
    assert "\n" not in str(caught.value)


def test_labels_that_look_alike_are_warned_of() -> None:
    labels = ["Cat", "cat", "dog ", "dog", "café", "cafe\u0301", "bird"]
    names, warnings = check_labels(labelled(*labels, *labels))
    assert len(names) == 7
    assert len(warnings) == 3
    assert any("'Cat', 'cat' differ only in case" in warning for warning in warnings)


def test_a_class_that_loses_its_files_is_named() -> None:
    with pytest.raises(DataError, match="not one file of the class 'c'"):
        check_decoded("abc", labelled(*"aabb"), [SetAside("c/1", None, "empty file")])
    with pytest.raises(DataError, match="only one example in the class 'b'"):
        check_decoded("ab", labelled(*"aab"), [SetAside("b/1", None, "empty file")])
    with pytest.raises(DataError, match=r"none of the 1 examples .*c/1: empty file"):
        check_decoded("ab", [], [SetAside("c/1", None, "empty file")])


def test_a_class_without_training_examples_is_named() -> None:
    with pytest.raises(DataError, match="no training example of 'z'"):
        check_training(("a", "z"), [*labelled("a"), Record("z/1", "z", "test")])
    with pytest.raises(DataError, match="no training examples: all"):
        check_training(("z",), [Record("z/1", "z", "test")])


def test_labels_unknown_to_a_model_are_named() -> None:
    check_known_labels(labelled("a"), Classes(("a", "b")))
    with pytest.raises(
        DataError, match=r"does not know the labels 'c' \(such as that of c/1\): .* 'a', 'b'"
    ):
        check_known_labels(labelled("a", "c"), Classes(("a", "b")))


def test_content_in_two_splits_and_with_two_labels_is_found() -> None:
    shared = find_shared([("x", "train", "1"), ("x", "test", "2"), ("y", "train", "3")])
    assert shared == [("x", [("test", "2"), ("train", "1")])]
    found = [("x", Record("1", "a", "train")), ("x", Record("2", "b", "test"))]
    warnings = content_warnings(found, shared)
    assert ["more than one split" in warnings[0], "more than one label" in warnings[1]] == [
        True
    ] * 2
    assert content_warnings(found[:1], []) == []
