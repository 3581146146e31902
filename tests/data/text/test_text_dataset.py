"""Labelled texts in splits: what an image data set promises holds for them too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kfine.answers.classes import Classes
from kfine.data.folds import fold_data, read_groups
from kfine.data.labelled import Data
from kfine.data.objects import Objects
from kfine.errors import ConfigError, DataError
from kfine.inputs.text.loading import load_texts

WriteTable = Callable[..., Path]
Rows = list[tuple[str, str]]


def load(data: object, **changes: Any) -> Data:
    options: dict[str, Any] = {"validation_split": 0.2, "test_split": 0.2, "seed": 0}
    return load_texts(str(data), **(options | changes))


@pytest.fixture
def many() -> Rows:
    """Forty different texts."""
    words = ("red", "green", "blue", "black", "white", "grey", "pink", "brown", "gold", "teal")
    things = ("house", "river", "engine", "garden")
    return [
        (f"the {word} {thing} of {thing[::-1]} {word[::-1]}", ("good", "bad")[i % 2])
        for i, word in enumerate(words)
        for thing in things
    ]


def test_each_split_holds_its_own_texts(write_table: WriteTable, many: Rows) -> None:
    path = write_table("t.csv", many)
    calls: list[tuple[int, int]] = []
    data = load(path, progress=lambda done, total: calls.append((done, total)))
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 24,
        "validation": 8,
        "test": 8,
    }
    assert data.class_names == ("bad", "good") and data.kind == "table"
    assert calls == [(40, 40)]
    for split in data.splits.values():
        assert isinstance(split.inputs, Objects)
        for number, name in enumerate(split.names):
            text, label = many[int(name.removeprefix("t.csv:")) - 2]
            assert split.inputs[[number]].tolist() == [text] == [split.read_raw(number)]
            assert split.labels[number] == label
            assert split.digests[number] == hashlib.sha256(text.encode()).hexdigest()


def test_a_guess_and_a_row_set_aside_are_in_the_summary(
    write_table: WriteTable, many: Rows
) -> None:
    data = load(write_table("t.csv", [*many, ("", "good")], header="review,mood"))
    summary = json.loads(json.dumps(data.summary()))
    assert "texts are in the column 'review'" in summary["notes"][0]
    assert "the validation split was carved from training" in summary["notes"][1]
    assert summary["splits"]["train"]["seen"] == 25 and summary["splits"]["train"]["used"] == 24
    assert summary["set_aside"] == [{"name": "t.csv:42", "split": None, "reason": "empty text"}]
    assert summary["near_duplicates"] == []


def test_carved_splits_share_no_text_but_for_case_and_signs(
    write_table: WriteTable, many: Rows
) -> None:
    data = load(write_table("t.csv", [*many, *((f"{t.upper()} !", label) for t, label in many)]))
    assert data.near_duplicates == () and data.shared == []
    bare = [{t.lower().strip(" !") for t in s.inputs[range(len(s))]} for s in data.splits.values()]
    assert not (bare[0] & bare[1] or bare[0] & bare[2] or bare[1] & bare[2])


def test_texts_in_two_splits_are_reported(
    write_table: WriteTable, reviews: Rows, tmp_path: Path
) -> None:
    write_table("train.csv")
    write_table("test.csv", [reviews[0], ("A joy -- from start to END!", "good"), ("no", "bad")])
    data = load(tmp_path, validation_split=0)
    assert [places for _, places in data.shared] == [
        [("test", "test.csv:2"), ("train", "train.csv:2")]
    ]
    assert data.summary()["near_duplicates"] == [
        {"split": "test", "name": "test.csv:3", "train_name": "train.csv:2", "similarity": 1.0}
    ]
    assert "test.csv:2 (test) and train.csv:2 (train)" in data.warnings[0]
    assert data.warnings[1] == (
        "one held-out text is nearly the same as a training text, such as test.csv:3 (test) and "
        "train.csv:2 (similarity 1.00): scores on these examples are too good"
    )


def test_split_lists_bring_the_same_splits_back(write_table: WriteTable, many: Rows) -> None:
    path = write_table("t.csv", many)
    first = load(path)
    lists = json.loads(json.dumps(first.split_lists()))
    again = load(path, seed=5, split_lists=lists)
    assert again.split_lists() == first.split_lists()
    assert again.fingerprint == first.fingerprint and again.notes == ()


def test_a_class_too_small_is_one_sentence(write_table: WriteTable, reviews: Rows) -> None:
    with pytest.raises(DataError, match="there is only one class, 'good' with 4 examples"):
        load(write_table("t.csv", reviews[:4]))
    with pytest.raises(DataError, match="only one example in the class 'odd': add more"):
        load(write_table("t.csv", [*reviews, ("hm", "odd")]))
    with pytest.raises(ConfigError, match="validation_split"):
        load(write_table("t.csv"), validation_split=1.5)


def test_evaluation_uses_everything_or_the_test_split(
    write_table: WriteTable, reviews: Rows, tmp_path: Path
) -> None:
    data = load_texts(str(write_table("t.csv")), like=Classes(("good", "bad")))
    assert list(data.splits) == ["test"] and len(data.splits["test"]) == 8
    assert data.near_duplicates is None and "near_duplicates" not in data.summary()
    assert data.splits["test"].labels == ("good",) * 4 + ("bad",) * 4
    for name in ("both/train.csv", "both/test.csv"):
        write_table(name, reviews[:5], header="body,mood")
    like = Classes(("bad", "good"))
    data = load_texts(str(tmp_path / "both"), like=like, label_column="mood")
    assert set(data.splits["test"].names) == {f"test.csv:{line}" for line in range(2, 7)}
    assert "guessed" in data.notes[0] and "5 of 10 examples" in data.notes[1]
    with pytest.raises(DataError, match="does not know the labels 'good'"):
        load_texts(str(write_table("t.csv")), like=Classes(("bad", "ugly")))


def test_folds_keep_the_texts_of_a_group_together(tmp_path: Path, many: Rows) -> None:
    rows = [f"{text},{label},w{i // 4}" for i, (text, label) in enumerate(many)]
    (tmp_path / "train.csv").write_text("\n".join(["text,label,Writer", *rows]))
    expected = {f"train.csv:{line + 2}": f"w{line // 4}" for line in range(40)}
    for source in (tmp_path, tmp_path / "train.csv"):
        assert read_groups(str(source), "writer") == expected
    data = load(tmp_path, test_split=0)
    folds = fold_data(data, 4, seed=0, groups=expected)
    validated = [name for fold in folds for name in fold.splits["validation"].names]
    assert sorted(validated) == sorted(expected)
    for fold in folds:
        inside = {expected[name] for name in fold.splits["validation"].names}
        assert not inside & {expected[name] for name in fold.train.names}
        for number, name in enumerate(fold.train.names):
            text = many[int(name.removeprefix("train.csv:")) - 2][0]
            assert fold.train.inputs[[number]].tolist() == [text]
    with pytest.raises(DataError, match="no column 'author'; there are: text, label, writer"):
        read_groups(str(tmp_path), "author")


def test_texts_that_are_all_alike_leave_none_to_validate_on(tmp_path: Path) -> None:
    path = tmp_path / "alike.csv"
    rows = ["text,label", *["Good film.,good", "good film,good", "Bad film.,bad", "bad film!,bad"]]
    path.write_text("\n".join(rows))
    with pytest.raises(DataError, match="no example is left to validate on"):
        load_texts(str(path), validation_split=0.3, test_split=0.2, seed=0)
