"""Texts that are nearly in two splits."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from kfine.data.objects import Objects
from kfine.data.records import Record
from kfine.data.split import Split
from kfine.inputs.text import duplicates
from kfine.inputs.text.duplicates import find_near_duplicates, normalized, similar_texts

LONG = "The committee met on Tuesday to discuss the budget of the coming year and the new school."


def splits(**texts: Sequence[str]) -> dict[str, Split]:
    return {
        name: Split(
            name,
            Objects(some),
            ("a",) * len(some),
            np.zeros(len(some), np.int32),
            tuple(f"{name}:{i}" for i in range(len(some))),
            tuple(map(str, some)),
            tuple(Record(f"{name}:{i}", "a", name, text=text) for i, text in enumerate(some)),
        )
        for name, some in texts.items()
    }


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Don't stop!", "dont  STOP", True),
        ("ﬁne Ａ", "Fine a", True),
        ("straße", "STRASSE", True),
        ("a\u00a0b\tc\n", "abc", True),
        ("win 100", "win 200", False),
        ("great 😀", "great 😢", False),
    ],
)
def test_case_punctuation_space_and_unicode_forms_are_no_difference(
    one: str, other: str, equal: bool
) -> None:
    assert (normalized(one) == normalized(other)) is equal


def test_each_held_out_text_is_paired_with_the_training_text_most_like_it() -> None:
    pairs, warnings = find_near_duplicates(
        splits(
            train=[LONG + " It was long.", LONG, "Nothing of the kind.", "..."],
            validation=[LONG.replace("Tuesday", "Monday"), "Something else."],
            test=["nothing of the KIND", LONG, "!!!"],
        )
    )
    assert [(p.split, p.name, p.train_name) for p in pairs] == [
        ("validation", "validation:0", "train:1"),
        ("test", "test:0", "train:2"),
    ]
    assert 0.9 <= pairs[0].similarity < 1 and pairs[1].similarity == 1
    assert len(warnings) == 1 and warnings[0].startswith("2 held-out texts are nearly the same")


def test_no_pair_is_lost_by_looking_at_rare_hashes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sklearn.feature_extraction.text import HashingVectorizer

    chance = random.Random(0)
    words = LONG.split()
    training = [" ".join(chance.choices(words, k=12)) for _ in range(60)]
    held_out = []
    for text in training[:40]:
        changed = text.split()
        for _ in range(chance.randrange(4)):
            changed[chance.randrange(len(changed))] = chance.choice(words)
        held_out.append(" ".join(changed))
    hashing = HashingVectorizer(
        analyzer="char", ngram_range=(5, 5), n_features=2**20, alternate_sign=False
    )
    cosines = (hashing.transform(held_out) @ hashing.transform(training).T).toarray()
    expected = {i: float(row.max()) for i, row in enumerate(cosines) if row.max() >= 0.9}
    assert 5 < len(expected) < 40
    for products in (10, 4_000_000):
        monkeypatch.setattr(duplicates, "_PRODUCTS", products)
        found = similar_texts(held_out, training)
        assert {i: cosine for i, (_, cosine) in found.items()} == pytest.approx(expected)
        for i, (match, cosine) in found.items():
            assert cosines[i, match] == pytest.approx(cosine)


def test_texts_shorter_than_five_characters_are_only_compared_whole() -> None:
    assert similar_texts(["ok", ""], ["ok", "no", ""]) == {}
    assert similar_texts([], ["ok"]) == similar_texts(["ok"], []) == {}
    pairs, _ = find_near_duplicates(splits(train=["ok", "no"], test=["OK.", "oh"]))
    assert [(pair.name, pair.train_name) for pair in pairs] == [("test:0", "train:0")]


def test_too_many_texts_are_only_compared_as_normalized_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duplicates, "MOST_TRAINING_TEXTS", 1)
    pairs, warnings = find_near_duplicates(
        splits(train=[LONG, "Nothing."], test=[LONG + " So.", "nothing"])
    )
    assert [pair.name for pair in pairs] == ["test:1"]
    assert len(warnings) == 2 and "among 2 training texts" in warnings[1]


def test_without_held_out_texts_there_is_nothing_to_look_for() -> None:
    assert find_near_duplicates(splits(train=["a", "A"])) == ((), [])
    assert find_near_duplicates(splits(test=["a", "A"])) == ((), [])
