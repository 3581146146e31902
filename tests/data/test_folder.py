from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kfine.data.records import split_named
from kfine.data.sources import read_source
from kfine.errors import DataError
from kfine.inputs.walking import files_below

MakeFolder = Callable[..., Path]


def test_class_folders_give_labels_and_no_splits(photo_folder: MakeFolder) -> None:
    root = photo_folder({"猫": 3, "Straße 7": 2})
    source = read_source(str(root))
    assert source.kind == "folder"
    assert Counter((record.label, record.split) for record in source.records) == {
        ("猫", None): 3,
        ("Straße 7", None): 2,
    }
    assert [record.name for record in source.records] == sorted(r.name for r in source.records)
    assert source.records[-1].name == "猫/2.jpg"


@pytest.mark.parametrize("validation", ["validation", "val", "valid", "Val"])
def test_split_folders_above_the_classes_are_understood(
    photo_folder: MakeFolder, tmp_path: Path, validation: str
) -> None:
    for split in ("train", validation, "test"):
        photo_folder({"a": 2, "b": 2}, root=tmp_path / "photos" / split)
    (tmp_path / "photos" / "README.md").write_text("loose")
    source = read_source(str(tmp_path / "photos"))
    assert Counter(record.split for record in source.records) == {
        "train": 4,
        "validation": 4,
        "test": 4,
    }
    assert source.warnings == ()


SPELLINGS = {
    "train": ["training_set", "Train", "train2017", "train-images", "TrainSet", "training data"],
    "validation": ["val2017", "valid_set", "Validation Images", "dev", "eval", "validation.split"],
    "test": ["test_set", "Testing", "test images", "testset", "holdout", "held_out"],
}


@pytest.mark.parametrize(
    ("split", "word"), [(split, one) for split, words in SPELLINGS.items() for one in words]
)
def test_splits_are_known_as_people_spell_them(split: str, word: str) -> None:
    assert split_named(word) == split


@pytest.mark.parametrize(
    "word", ["trains", "trainer", "testament", "devil", "valley", "contest", "", "set", "data"]
)
def test_other_words_are_no_splits(word: str) -> None:
    assert split_named(word) is None


def test_a_class_with_folders_may_be_called_train(photo_folder: MakeFolder, tmp_path: Path) -> None:
    for name in ("bus", "car", "train"):
        photo_folder({"2023": 2, "2024": 1}, root=tmp_path / "photos" / name)
    source = read_source(str(tmp_path / "photos"))
    assert Counter(record.label for record in source.records) == {"bus": 3, "car": 3, "train": 3}
    (warning,) = source.warnings
    assert f"train is taken for a class, like the 2 folders beside it: give {tmp_path}" in warning


def test_a_class_may_be_called_train(photo_folder: MakeFolder) -> None:
    source = read_source(str(photo_folder({"train": 2, "plane": 2})))
    assert {record.label for record in source.records} == {"train", "plane"}


def test_clutter_is_passed_over_and_deeper_folders_are_read(photo_folder: MakeFolder) -> None:
    root = photo_folder({"a": 2, "b": 2})
    for name in (".DS_Store", "a/.DS_Store", "a/._0.jpg", "b/Thumbs.db", "b/desktop.ini"):
        (root / name).write_text("clutter")
    (root / ".git").mkdir()
    for folder in ("@eaDir/0.jpg", "a/@eaDir/1.jpg", "#recycle", "a/.ipynb_checkpoints"):
        (root / folder).mkdir(parents=True)
        (root / folder / "THUMB.jpg").write_bytes((root / "a" / "0.jpg").read_bytes())
    found = [path.relative_to(root).as_posix() for path in files_below(root)]
    assert found == ["a/0.jpg", "a/1.jpg", "b/0.jpg", "b/1.jpg"]
    (root / "a" / "monday").mkdir()
    (root / "a" / "0.jpg").rename(root / "a" / "monday" / "0.jpg")
    (root / "a" / "monday" / "again").symlink_to(root / "a")
    source = read_source(str(root))
    assert [r.name for r in source.records] == ["a/1.jpg", "a/monday/0.jpg", "b/0.jpg", "b/1.jpg"]
    assert source.set_aside == ()


def test_images_outside_class_folders_are_warned_of(photo_folder: MakeFolder) -> None:
    root = photo_folder({"a": 2, "b": 2})
    (root / "notes.txt").write_text("not an image")
    (root / "a" / "0.jpg").rename(root / "loose")
    (root / "empty").mkdir()
    source = read_source(str(root))
    assert len(source.warnings) == 2
    assert "1 image directly in" in source.warnings[0]
    assert "class folder empty is empty" in source.warnings[1]


def test_a_folder_beside_the_splits_is_warned_of(photo_folder: MakeFolder, tmp_path: Path) -> None:
    photo_folder({"a": 2, "b": 2}, root=tmp_path / "photos" / "train")
    photo_folder({"c": 3}, root=tmp_path / "photos" / "extra")
    (warning,) = read_source(str(tmp_path / "photos")).warnings
    assert "extra with 3 files" in warning


def test_links_to_nowhere_are_set_aside_and_named(photo_folder: MakeFolder) -> None:
    root = photo_folder({"a": 2, "b": 2})
    (root / "a" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    (root / "a" / "loop.jpg").symlink_to(root / "a" / "loop.jpg")
    os.mkfifo(root / "b" / "pipe.jpg")
    source = read_source(str(root))
    assert [(item.name, item.reason[:14]) for item in source.set_aside] == [
        ("a/gone.jpg", "link to a miss"),
        ("a/loop.jpg", "cannot be read"),
        ("b/pipe.jpg", "not a regular "),
    ]
    assert len(source.records) == 4


def test_names_that_are_not_unicode_become_printable(photo_folder: MakeFolder) -> None:
    root = photo_folder({"a": 2, "b": 2})
    os.rename(os.fsencode(root / "a" / "0.jpg"), os.fsencode(root / "a") + b"/\xff.jpg")
    names = [record.name for record in read_source(str(root)).records]
    assert "a/\\xff.jpg" in names
    assert "".join(names).encode()


def test_a_folder_without_class_folders_is_explained(
    tmp_path: Path, photo_folder: MakeFolder
) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="is empty: put the images in one folder per class"):
        read_source(str(tmp_path / "none"))
    root = photo_folder({"a": 2})
    with pytest.raises(DataError, match="holds 2 images but no class folders"):
        read_source(str(root / "a"))
    with pytest.raises(DataError, match=r"only one folder, photos, .* give .*photos if"):
        (tmp_path / "wrapped").mkdir()
        root.rename(tmp_path / "wrapped" / "photos")
        read_source(str(tmp_path / "wrapped"))
    (tmp_path / "hollow" / "a").mkdir(parents=True)
    (tmp_path / "hollow" / "b").mkdir()
    with pytest.raises(DataError, match="no images in"):
        read_source(str(tmp_path / "hollow"))
    (tmp_path / "none" / "list.csv").write_text("path,label\n")
    with pytest.raises(DataError, match=r"give .*list\.csv"):
        read_source(str(tmp_path / "none"))
