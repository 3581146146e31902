from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from kfine.data.records import Record
from kfine.data.splits import assign_splits, restore_splits
from kfine.errors import ConfigError, DataError


def records(counts: dict[str, int], split: str | None = None) -> list[Record]:
    return [Record(f"{c}/{i}.jpg", c, split) for c, n in counts.items() for i in range(n)]


def chosen(items: list[Record]) -> dict[str, str | None]:
    return {item.name: item.split for item in items}


def test_missing_splits_are_carved_class_by_class_and_said() -> None:
    made, notes = assign_splits(
        records({"a": 100, "b": 40}), validation_split=0.15, test_split=0.1, seed=0
    )
    counts = Counter((item.label, item.split) for item in made)
    assert (counts["a", "validation"], counts["a", "test"]) == (15, 10)
    assert (counts["b", "validation"], counts["b", "test"]) == (6, 4)
    assert notes == [
        "the validation split was carved from training: 21 of 140 examples "
        "(15 %, stratified, seed 0)",
        "the test split was carved from training: 14 of 140 examples (10 %, stratified, seed 0)",
    ]


def test_splits_of_the_source_are_kept() -> None:
    given = [
        *records({"a": 20, "b": 20}, "train"),
        Record("t/1.jpg", "a", "test"),
        Record("v/1.jpg", "a", "validation"),
    ]
    made, notes = assign_splits(given, validation_split=0.2, test_split=0.2, seed=0)
    assert made == given
    assert notes == []
    made, notes = assign_splits(given[:-1], validation_split=0.2, test_split=0.2, seed=0)
    assert Counter(item.split for item in made) == {"train": 32, "validation": 8, "test": 1}
    assert len(notes) == 1


def test_the_order_of_the_files_does_not_matter_but_the_seed_does() -> None:
    given = records({"a": 30, "b": 30})
    mixed = random.Random(1).sample(given, len(given))
    options: dict[str, Any] = {"validation_split": 0.2, "test_split": 0.2}
    first = chosen(assign_splits(given, seed=0, **options)[0])
    assert chosen(assign_splits(mixed, seed=0, **options)[0]) == first
    assert chosen(assign_splits(given, seed=1, **options)[0]) != first


def test_the_hash_seed_of_python_does_not_matter() -> None:
    code = (
        "from kfine.data.records import Record; from kfine.data.splits import assign_splits;"
        "r = [Record(f'{i%3}/{i}', str(i%3)) for i in range(60)];"
        "print([x.split for x in assign_splits(r, validation_split=.2, test_split=.2, seed=3)[0]])"
    )
    path = os.pathsep.join(filter(None, sys.path))
    outputs = {
        subprocess.check_output(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        )
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_one_more_file_moves_few_others() -> None:
    options: dict[str, Any] = {"validation_split": 0.2, "test_split": 0.2, "seed": 0}
    before = chosen(assign_splits(records({"a": 50, "b": 50}), **options)[0])
    after = chosen(assign_splits(records({"a": 51, "b": 50}), **options)[0])
    assert sum(after[name] != split for name, split in before.items()) <= 3


@pytest.mark.parametrize("count", range(2, 8))
def test_small_classes_keep_an_example_in_training(count: int) -> None:
    made, _ = assign_splits(
        records({"a": count, "b": 50}), validation_split=0.4, test_split=0.4, seed=0
    )
    splits = Counter(item.split for item in made if item.label == "a")
    assert splits["train"] >= 1
    assert splits["validation"] >= 1


def test_equal_content_stays_in_one_split() -> None:
    given = records({"a": 60, "b": 60})
    digests = [str(number // 3) for number in range(120)]
    made, _ = assign_splits(given, validation_split=0.2, test_split=0.2, seed=0, digests=digests)
    places: dict[str, set[str | None]] = {}
    for digest, item in zip(digests, made, strict=True):
        places.setdefault(digest, set()).add(item.split)
    assert all(len(splits) == 1 for splits in places.values())
    assert Counter(item.split for item in made) == {"train": 72, "validation": 24, "test": 24}


def test_fractions_that_leave_nothing_are_refused() -> None:
    for validation, test in ((0.5, 0.5), (-0.1, 0), (1, 0)):
        with pytest.raises(ConfigError, match="leave some examples"):
            assign_splits([], validation_split=validation, test_split=test, seed=0)


def test_splits_of_a_former_run_are_restored_and_differences_said() -> None:
    lists = {
        "train": [
            {"name": "a/0.jpg", "label": "a", "digest": "0"},
            {"name": "b/0.jpg", "label": "b", "digest": "1"},
        ],
        "test": [
            {"name": "a/1.jpg", "label": "a", "digest": "2"},
            {"name": "a/9.jpg", "label": "a", "digest": "9"},
        ],
    }
    given = records({"a": 2, "b": 2})
    made, notes = restore_splits(given, ["0", "changed", "1", "new"], lists)
    assert [item.split for item in made] == ["train", "test", "train", "train"]
    assert [note.split(",")[0] for note in notes] == [
        "1 examples are new since the run and train unless their source says otherwise",
        "1 examples have another content or label than in the run",
        "1 examples of the run are gone",
    ]
    with pytest.raises(DataError, match="'c' is new"):
        restore_splits([*given, Record("c/1", "c")], ["0", "2", "1", "3", "4"], lists)
