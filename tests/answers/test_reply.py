"""Replies: what is learned of them, what is written, and how near it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine.answers.reply.reply import Reply, Written
from kfine.answers.reply.score import loops, reply_score, rouge_l
from kfine.errors import DataError
from kfine.inputs.places import PromptPlaces


class Letters:
    """Tokens are letters."""

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        return [ord(one) for one in text]

    def decode(self, numbers: list[int]) -> str:
        return "".join(map(chr, numbers))


def places(count: int) -> Any:
    return PromptPlaces(np.arange(count), Letters())  # type: ignore[arg-type]


# As Google's rouge-score 0.1.2 has them, without stemming.
@pytest.mark.parametrize(
    ("reply", "reference", "expected"),
    [
        ("the cat sat on the mat", "the cat lay on a mat", 2 / 3),
        ("police killed the gunman", "the gunman police killed", 0.5),
        ("Hello, World! 42 times", "hello world, forty 42", 0.75),
        ("a", "b", 0.0),
        ("He didn't go.", "He did not go", 0.5),
        ("größer als Köln", "Köln ist größer", 1 / 3),
        ("", "", 1.0),
        ("", "a", 0.0),
    ],
)
def test_rouge_l_is_the_usual_one(reply: str, reference: str, expected: float) -> None:
    assert rouge_l(reply, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("and so on and so on and so on", True),
        ("no no no no no", True),
        ("a b a b", False),
        ("one two three four", False),
        ("", False),
    ],
)
def test_loops_are_seen(text: str, found: bool) -> None:
    assert loops(text) is found


def test_a_score_says_what_figures_hide() -> None:
    score = reply_score(
        ["yes", "no no no no", "perhaps not"], ["yes", "no", "perhaps"], [False, True, False]
    )
    assert score.each.tolist() == pytest.approx([1, 0.4, 2 / 3])
    assert score.metrics["rouge_l"] == pytest.approx(score.each.mean())
    assert score.metrics["exact_match"] == pytest.approx(1 / 3)
    assert score.tables == {"words": pytest.approx(7 / 3), "unfinished": 1, "repeats": 1}


def test_chrf_is_that_of_the_whole_corpus() -> None:
    # sacrebleu's own example of one sentence with six of the twelve letters alike.
    assert reply_score(["abcdef"], ["abcdef"]).metrics["chrf"] == pytest.approx(1)
    part = reply_score(["abcxyz"], ["abcdef"]).metrics["chrf"]
    # Letters 3/6, pairs 2/5, triples 1/4, none of 4, 5 and 6: the mean of the orders, F2 of equals.
    assert part == pytest.approx((3 / 6 + 2 / 5 + 1 / 4) / 6, abs=1e-4)


def test_nothing_is_not_scored() -> None:
    with pytest.raises(DataError, match="no replies"):
        reply_score([], [])


def test_targets_are_the_tokens_and_the_end() -> None:
    answer = Reply((1, 2), 4)
    rows = answer.encode(["ab", "abcdef"], places(2)).rows["reply_ids"]
    # What is too long is learned without its end.
    assert rows.tolist() == [[97, 98, 1, -1], [97, 98, 99, 100]]


def test_a_reply_ends_with_its_end_or_with_its_room() -> None:
    finished = {
        "token_ids": np.array([[97.0, 98, 1, 1], [97, 98, 99, 100]], np.float32),
        "confidence": np.array([0.5, 0.25], np.float32),
    }
    found = Reply((1,), 4).decode(finished, places(2))
    assert found == [Written("ab", 0.5), Written("abcd", 0.25, finished=False)]


def test_what_it_says_of_itself_is_read_back() -> None:
    answer = Reply((5, 0), 64)
    assert Reply.load(answer.to_dict()) == answer
    for wrong in ({"longest": 0}, {"ends": []}, {"ends": [-1]}, {"longest": 10**9}):
        with pytest.raises(ValueError, match="tokens at most"):
            Reply.load({**answer.to_dict(), **wrong})


def test_the_farthest_replies_come_first() -> None:
    answer = Reply((1,), 64)
    said = [Written("a b", 0.9), Written("x", 0.2), Written("a c", 0.5)]
    found = answer.mistakes(said, ["a b", "a b", "a b"])
    assert found is not None and [one.index for one in found] == [1, 2]
    trivial = answer.trivial(["y", "y", "x"], [])
    assert trivial.predict([1, 2]) == ["y", "y"]


@pytest.mark.keras
def test_batches_are_as_long_as_their_longest_reply(needs_keras: None) -> None:
    answer = Reply((1,), 64)
    rows = np.full((2, 40), -1, np.int32)
    rows[0, :9], rows[1, :3] = 7, 8
    assert np.array(answer.target(rows)).tolist() == rows[:, :16].tolist()
    told = np.array(answer.fed["reply_ids"](rows))
    assert told.shape == (2, 16) and told.min() == 0 and told[0, :9].tolist() == [7] * 9
