"""Words: tokens there and back, what is learned of them, and how many are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine.answers.words.byte_pairs import BytePairs
from kfine.answers.words.score import normalized, word_score
from kfine.errors import ConfigError, DataError

READ = [*range(33, 127), *range(161, 173), *range(174, 256)]
LETTERS = [chr(one) for one in READ] + [chr(256 + place) for place in range(256 - len(READ))]
MERGES = ("\u0120 l", "\u0120l o", "\u0120lo w")


def words(**options: Any) -> Any:
    from kfine.answers.words import Words

    pairs = BytePairs((*LETTERS, "\u0120l", "\u0120lo", "\u0120low"), MERGES)
    return Words(pairs, (301, 302), 300, options.pop("longest", 12), **options)


@pytest.mark.parametrize("text", ["low", "low low", "Größe 5 €", "日本語 x", "don't"])
def test_a_text_is_the_same_after_its_tokens(text: str) -> None:
    pairs = words().pairs
    numbers = pairs.encode(text)
    assert pairs.decode(numbers) == text
    again = BytePairs.unpacked(pairs.packed())
    assert again == pairs and again.encode(text) == numbers


def test_pairs_are_merged_in_their_order() -> None:
    pairs = words().pairs
    assert pairs.encode("low") == [len(LETTERS) + 2]


def test_tokens_that_are_no_text_are_left_out() -> None:
    pairs = words().pairs
    assert pairs.decode([*pairs.encode("low"), 999, -1]) == "low"


@pytest.mark.keras
def test_what_is_learned_is_the_token_behind_each() -> None:
    from kfine.inputs.places import SoundPlaces

    answer = words()
    rows = answer.encode(["low", "low low"], SoundPlaces(np.arange(2))).rows["token"]
    low = len(LETTERS) + 2
    assert rows.tolist() == [[301, 302, low, 300, -1], [301, 302, low, low, 300]]
    assert np.asarray(answer.target(rows)).tolist() == [[-1, low, 300, -1], [-1, low, low, 300]]
    told = np.asarray(answer.fed["token_ids"](rows))
    assert told.tolist() == [[301, 302, low, 300], [301, 302, low, low]]


def test_a_text_that_is_too_long_and_one_of_two_windows_are_refused() -> None:
    from kfine.inputs.places import SoundPlaces

    with pytest.raises(DataError, match=r"longer than the longest, 2: .low low low.\. Give more"):
        words(longest=2).encode(["low low low"], SoundPlaces(np.arange(1)))
    with pytest.raises(DataError, match="1 recordings are longer than what is heard at a time"):
        words().encode(["low"], SoundPlaces(np.array([0, 0])))


def test_windows_of_a_recording_follow_on_each_other() -> None:
    from kfine.inputs.places import SoundPlaces

    answer = words()
    low = len(LETTERS) + 2
    rows = np.array([[low, 300, 5], [300, 300, 300], [low, low, 300]], np.float32)
    finished = {"token_ids": rows, "confidence": np.array([0.25, 1.0, 0.5], np.float32)}
    first, second = answer.decode(finished, SoundPlaces(np.array([0, 0, 1])))
    assert (first.text, second.text) == ("low", "low low")
    assert first.probability == pytest.approx(0.5)
    assert answer.describe(second) == [{"text": "low low", "probability": pytest.approx(0.5)}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" Seven. ", "seven"),
        ("Don’t stop -- now!", "don't stop now"),
        ("ﬁne  Größe,\n7", "fine größe 7"),
        ("'quoted'", "quoted"),
        ("…", ""),
    ],
)
def test_words_are_compared_without_case_and_punctuation(text: str, found: str) -> None:
    assert normalized(text) == found


def test_errors_are_counted_over_all_words() -> None:
    score = word_score(["the bat sat down", "Seven!", ""], ["The cat sat.", "seven", "one two"])
    assert score.metrics["word_error_rate"] == pytest.approx(4 / 6)
    assert score.metrics["exact_match"] == pytest.approx(1 / 3)
    assert 0 < score.metrics["character_error_rate"] < 1
    assert score.tables["confused"] == [{"said": "cat", "heard": "bat", "count": 1}]
    kinds = ("substitutions", "deletions", "insertions", "words")
    assert [score.tables[one] for one in kinds] == [1, 2, 1, 6]
    assert score.each.tolist() == pytest.approx([1 / 3, 1, 0])
    assert score.resample is not None
    assert score.resample(np.array([0, 1])) == pytest.approx(2 / 4)


def test_words_where_there_are_none_are_wrong() -> None:
    score = word_score(["two words", ""], ["...", "-"])
    assert score.metrics["word_error_rate"] == 2
    assert score.each.tolist() == [0, 1]
    with pytest.raises(DataError, match="no words to measure"):
        word_score([], [])


def test_mistakes_begin_with_the_most_wrong_words() -> None:
    from kfine.answers.words.words import Transcript

    said = ["one two", "one two", "three"]
    heard = [Transcript("one", 0.9), Transcript("six", 0.2), Transcript("Three.", 0.5)]
    found = words().mistakes(heard, said)
    assert [(one.index, one.label, one.prediction) for one in found] == [
        (1, "one two", "six"),
        (0, "one two", "one"),
    ]
    assert words().mistakes(heard[2:], said[2:]) == []


def test_the_trivial_answer_is_said_most_often() -> None:
    trivial = words().trivial(["Low.", "low", "high"], [])
    assert trivial.predict([1, 2]) == ["low", "low"]


def test_a_damaged_vocabulary_is_refused() -> None:
    from kfine.answers.words import Words

    kept = words().to_dict()
    assert Words.load(kept) == words()
    for values in ({"vocabulary": "AAAA"}, {"longest": 1000}):
        with pytest.raises(ValueError):
            Words.load({**kept, **values})


@pytest.mark.keras
def test_a_language_is_one_that_the_preset_knows(tiny_speech_preset: str) -> None:
    from kfine.answers.words import words_of_preset

    found = words_of_preset(tiny_speech_preset, "en", None, ["low"])
    assert found.start == (262, 265) and found.end == 261 and found.longest == 32
    with pytest.raises(ConfigError, match=r"knows English alone.*Received: de"):
        words_of_preset(tiny_speech_preset, "de", None, ["low"])
