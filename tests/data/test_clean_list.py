"""The clean-list: what it leaves out and labels anew, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from kfine.data.clean_list import CleanList, clean, read_clean_list
from kfine.data.labelled import Data
from kfine.errors import DataError
from kfine.inputs.image.loading import load_images


def written(path: Path, *rows: str) -> str:
    path.write_text("\n".join(rows))
    return str(path)


def photos(root: Path, **options: object) -> Data:
    return load_images(
        str(root),
        image_size=(8, 8),
        validation_split=0.2,
        test_split=0.2,
        memory_budget=10**9,
        **options,  # type: ignore[arg-type]
    )


def test_rows_count_by_their_suggestion(tmp_path: Path) -> None:
    table = written(
        tmp_path / "clean.csv",
        "file,finding,suggestion,new_label",
        "a.png,label in doubt,relabel,dog",
        "b.png,duplicate,exclude,",
        "c.png,label in doubt,look,cat",
        "b.png,near duplicate,exclude,",
    )
    assert read_clean_list(table, table) == CleanList(("b.png",), {"a.png": "dog"})
    assert read_clean_list(table, None) == CleanList(("b.png",))
    assert not read_clean_list(None, None)


def test_without_suggestions_all_rows_count(tmp_path: Path) -> None:
    table = written(tmp_path / "bad.csv", "file", "a.png", "b.png")
    assert read_clean_list(table, None) == CleanList(("a.png", "b.png"))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (("a.png,relabel,",), "line 2: a.png has no new_label"),
        (("a.png,relabel,dog", "a.png,relabel,cat"), "to be 'cat' here and 'dog' before"),
        (("a.png,relabel,dog", "a.png,exclude,"), "both left out and labelled anew, such as a.png"),
        (("a.png,delete,",), "exclude, relabel or look. Received: 'delete'"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused(
    tmp_path: Path, rows: tuple[str, ...], sentence: str
) -> None:
    table = written(tmp_path / "clean.csv", "file,suggestion,new_label", *rows)
    with pytest.raises(DataError, match=sentence):
        read_clean_list(table, table)


def test_a_list_that_is_not_there_or_has_no_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no clean-list nowhere\.csv; `kfine doctor` writes one"):
        read_clean_list("nowhere.csv", None)
    table = written(tmp_path / "clean.csv", "name", "a.png")
    with pytest.raises(DataError, match="file"):
        read_clean_list(table, None)


def test_examples_are_left_out_and_labelled_anew_in_their_splits(digit_photos: Path) -> None:
    before = photos(digit_photos)
    gone, changed = before.train.names[0], before.train.names[1]
    assert before.train.labels[1] == "one"
    after = clean(before, CleanList((gone,), {changed: "two"}))
    assert len(after.train) == len(before.train) - 1 and gone not in after.train.names
    place = after.train.names.index(changed)
    assert after.train.labels[place] == after.train.records[place].label == "two"
    two = after.train.labels.index("two")
    assert after.train.strata[place] == after.train.strata[two]
    assert after.counted["train"]["one"] == before.counted["train"]["one"] - 2
    assert after.counted["train"]["two"] == before.counted["train"]["two"] + 1
    assert after.validation.names == before.validation.names
    assert after.fingerprint != before.fingerprint
    assert after.summary()["cleaned"] == {"excluded": [gone], "relabelled": {changed: "two"}}


def test_a_run_reads_its_cleaned_data_again(digit_photos: Path) -> None:
    before = photos(digit_photos)
    decided = CleanList(before.train.names[:2], {before.test.names[0]: "two"})
    after = clean(before, decided)
    again = clean(photos(digit_photos, split_lists=after.split_lists()), decided)
    assert again.fingerprint == after.fingerprint
    assert again.split_lists() == after.split_lists()
    said = " ".join(again.notes)
    assert "new since the run" not in said and "another content or label" not in said


def test_unknown_names_and_labels_are_refused_with_the_nearest(digit_photos: Path) -> None:
    data = photos(digit_photos)
    name = data.train.names[0]
    with pytest.raises(DataError, match=f"nearest is '{name}'"):
        clean(data, CleanList((name.replace(".png", ".jpg"),)))
    with pytest.raises(DataError, match="the label 'three', and the labels are 'one', 'two'"):
        clean(data, CleanList((), {name: "three"}))


def test_a_class_without_training_examples_is_refused(digit_photos: Path) -> None:
    data = photos(digit_photos)
    ones = [name for name in data.train.names if name.startswith("one/")]
    with pytest.raises(DataError, match="no training example of 'one'"):
        clean(data, CleanList(tuple(ones)))
    with pytest.raises(DataError, match="leaves no example to train on"):
        clean(data, CleanList(data.train.names))
