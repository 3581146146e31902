from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kfine.answers.classes import Classes
from kfine.data.labelled import Data
from kfine.errors import DataError
from kfine.inputs.image.loading import load_images
from kfine.inputs.image.pixels import decode_image, resize_image

MakeFolder = Callable[..., Path]


def load(data: object, cache: Path, **changes: Any) -> Data:
    options: dict[str, Any] = {
        "image_size": (24, 32),
        "validation_split": 0.2,
        "test_split": 0.2,
        "seed": 0,
        "memory_budget": 10**9,
        "folder": cache,
    }
    return load_images(str(data), **(options | changes))


def test_each_split_holds_its_own_images(photo_folder: MakeFolder, tmp_path: Path) -> None:
    root = photo_folder({"a": 10, "b": 10})
    data = load(root, tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 12,
        "validation": 4,
        "test": 4,
    }
    assert data.class_names == ("a", "b")
    for split in data.splits.values():
        assert split.strata.dtype == np.int32
        assert split.inputs.shape == (len(split), 24, 32, 3)
        assert list(split.names) == sorted(split.names)
        inputs = split.inputs[np.arange(len(split))[::-1]][::-1]
        for number, name in enumerate(split.names):
            raw = decode_image(root / name)
            np.testing.assert_array_equal(split.read_raw(number), raw)
            np.testing.assert_array_equal(inputs[number], resize_image(raw, (24, 32)))
            assert split.labels[number] == name.split("/")[0]


def test_memory_and_disk_hold_the_same(photo_folder: MakeFolder, tmp_path: Path) -> None:
    root = photo_folder({"a": 6, "b": 6})
    memory, disk = load(root, tmp_path), load(root, tmp_path, memory_budget=1000)
    assert memory.train.inputs.in_memory and not disk.train.inputs.in_memory
    everything = range(len(memory.train))
    np.testing.assert_array_equal(memory.train.inputs[everything], disk.train.inputs[everything])
    assert memory.fingerprint == disk.fingerprint


def test_each_kind_of_broken_file_is_named_and_counted(
    photo_folder: MakeFolder, tmp_path: Path
) -> None:
    root = photo_folder({"a": 6, "b": 6})
    content = (root / "a" / "0.jpg").read_bytes()
    (root / "a" / "empty.jpg").write_bytes(b"")
    (root / "a" / "half.jpg").write_bytes(content[: len(content) * 3 // 4])
    (root / "b" / "text.jpg").write_text("hello")
    (root / "b" / "README.txt").write_text("about")
    (root / "b" / "gone.jpg").symlink_to("nowhere")
    Image.new("RGB", (5, 5)).save(root / "b" / "really_a_png.jpg", "PNG")
    Image.new("RGBA", (5, 5)).save(root / "b" / "no_ending", "PNG")
    data = load(root, tmp_path)
    assert {item.name: item.reason for item in data.set_aside} == {
        "a/empty.jpg": "empty file",
        "a/half.jpg": "truncated JPEG",
        "b/text.jpg": "not an image",
        "b/README.txt": "not an image",
        "b/gone.jpg": "link to a missing file",
    }
    splits = json.loads(json.dumps(data.summary()))["splits"]
    assert splits["train"]["set_aside"] == 5
    assert sum(split["seen"] for split in splits.values()) == 19
    assert sum(split["used"] for split in splits.values()) == 14
    assert sum(split["per_class"]["b"] for split in splits.values()) == 8


def test_a_class_whose_files_are_all_broken_is_named(
    photo_folder: MakeFolder, tmp_path: Path
) -> None:
    root = photo_folder({"a": 3, "b": 3})
    (root / "c").mkdir()
    (root / "c" / "1.jpg").write_bytes(b"x")
    (root / "c" / "2.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="not one file of the class 'c'"):
        load(root, tmp_path)


def test_the_cheap_checks_come_before_decoding(photo_folder: MakeFolder, tmp_path: Path) -> None:
    calls: list[int] = []
    for counts, words in (({"a": 4}, "only one class"), ({"a": 4, "b": 1}, "only one example")):
        root = photo_folder(counts, root=tmp_path / words)
        with pytest.raises(DataError, match=words):
            load(root, tmp_path, progress=lambda done, total: calls.append(done))
    assert calls == []


def test_the_same_file_in_two_splits_is_reported(photo_folder: MakeFolder, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    photo_folder({"a": 4, "b": 4}, root=root / "train")
    photo_folder({"a": 2, "b": 2}, root=root / "test", offset=250)
    (root / "test" / "a" / "copy.jpg").write_bytes((root / "train/a/1.jpg").read_bytes())
    data = load(root, tmp_path, validation_split=0)
    assert data.validation is None
    ((digest, places),) = data.shared
    assert places == [("test", "test/a/copy.jpg"), ("train", "train/a/1.jpg")]
    assert digest in data.train.digests
    assert data.summary()["shared"][0]["files"][0] == {"split": "test", "name": "test/a/copy.jpg"}
    assert "test/a/copy.jpg (test) and train/a/1.jpg (train)" in data.warnings[0]


def test_carved_splits_share_no_content(photo_folder: MakeFolder, tmp_path: Path) -> None:
    root = photo_folder({"a": 10, "b": 10})
    for label in "ab":
        for number in range(10):
            copy = root / label / f"copy{number}.jpg"
            copy.write_bytes((root / label / f"{number}.jpg").read_bytes())
    assert load(root, tmp_path).shared == []


def test_split_lists_bring_the_same_splits_back(photo_folder: MakeFolder, tmp_path: Path) -> None:
    root = photo_folder({"a": 8, "b": 8})
    first = load(root, tmp_path)
    lists = json.loads(json.dumps(first.split_lists()))
    again = load(root, tmp_path, seed=5, split_lists=lists)
    assert again.split_lists() == first.split_lists()
    assert again.fingerprint == first.fingerprint
    assert again.notes == ()
    (root / "a" / "new.png").write_bytes((root / "a" / "1.jpg").read_bytes())
    more = load(root, tmp_path, split_lists=lists)
    assert "a/new.png" in more.train.names
    assert "new since the run" in more.notes[0]


def test_a_manifest_and_its_folder_give_the_same_fingerprint(
    photo_folder: MakeFolder, tmp_path: Path
) -> None:
    root = photo_folder({"a": 6, "b": 6})
    rows = [f"{c}/{i}.jpg,{c}" for c in "ba" for i in range(6)]
    (root / "list.csv").write_text("\n".join(["path,label", *rows]))
    assert load(root, tmp_path).fingerprint == load(root / "list.csv", tmp_path).fingerprint


def test_a_file_that_vanishes_later_is_one_sentence(
    photo_folder: MakeFolder, tmp_path: Path
) -> None:
    root = photo_folder({"a": 4, "b": 4})
    data = load(root, tmp_path)
    (root / data.train.names[0]).unlink()
    with pytest.raises(DataError, match="can no longer be read: no such file"):
        data.train.read_raw(0)


def evaluate(data: Path, cache: Path, class_names: tuple[str, ...]) -> Data:
    return load_images(
        str(data),
        like=Classes(class_names),
        image_size=(8, 8),
        memory_budget=10**9,
        folder=cache,
    )


def test_evaluation_uses_everything_or_the_test_split(
    photo_folder: MakeFolder, tmp_path: Path
) -> None:
    root = photo_folder({"b": 1, "c": 2})
    (root / "c" / "bad.jpg").write_bytes(b"")
    data = evaluate(root, tmp_path, ("c", "a", "b"))
    assert list(data.splits) == ["test"]
    assert data.test is not None and data.test.labels == ("b", "c", "c")
    assert data.summary()["splits"]["test"]["set_aside"] == 1
    for split in ("train", "test"):
        photo_folder({"a": 2, "b": 2}, root=tmp_path / "splits" / split)
    data = evaluate(tmp_path / "splits", tmp_path, ("a", "b"))
    assert data.test is not None and all(name.startswith("test/") for name in data.test.names)
    assert "the test split" in data.notes[0] and "4 of 8" in data.notes[0]


def test_evaluation_names_labels_that_the_model_does_not_know(
    photo_folder: MakeFolder, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="does not know the labels 'b'"):
        evaluate(photo_folder({"a": 1, "b": 1}), tmp_path, ("a", "c"))


def test_digits_are_loaded_in_a_moment(tmp_path: Path) -> None:
    data = load("digits", tmp_path, image_size=(16, 16))
    assert sum(len(split) for split in data.splits.values()) == 1797
    assert len(data.class_names) == 10
    assert data.train.read_raw(0).shape == (8, 8, 3)
