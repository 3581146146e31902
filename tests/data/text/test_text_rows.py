from __future__ import annotations

import numpy as np

from kfine.data.objects import Objects


def test_texts_come_back_by_number_in_the_order_asked_for() -> None:
    texts = Objects(["a", "b", "c"])
    assert texts[[2, 0]].tolist() == ["c", "a"]
    assert texts[np.array([1])].dtype == object
    assert texts.shape == (3,) and texts.dtype == object and len(texts) == 3 and texts.in_memory
    assert texts[range(0)].shape == (0,)


def test_taking_and_joining_is_done_by_number() -> None:
    texts = Objects(["a", "b", "c", "d"])
    joined = texts.take([3, 1]).joined(texts.take([0]))
    assert joined[range(3)].tolist() == ["d", "b", "a"]
    assert Objects([]).joined(texts).shape == (4,)


def test_a_row_may_be_a_pair_or_any_other_structure() -> None:
    pairs = [("who?", "Ada wrote it."), ("when?", "In 1843.")]
    texts = Objects(pairs)
    assert texts.shape == (2,)
    assert texts[[1]][0] == ("when?", "In 1843.")
    assert texts.take([1, 0])[range(2)].tolist() == pairs[::-1]
    assert Objects([{"tokens": ["a", "b"]}])[[0]][0] == {"tokens": ["a", "b"]}


def test_bytes_are_those_of_the_strings_inside() -> None:
    long = "x" * 10_000
    assert Objects([long]).nbytes > 10_000
    assert Objects([(long, {"context": long})]).nbytes > 20_000
    assert Objects([long, ""]).take([1]).nbytes < 200
