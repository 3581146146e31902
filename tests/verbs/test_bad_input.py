"""Bad input: one sentence, exit status 2, no run folder left behind, nothing lost."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def refused(
    kfine_command: Command, tiny_preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """`refused(*options)` runs a fit that must be refused, and gives what was said."""
    monkeypatch.chdir(tmp_path)

    def run(*options: object, preset: str = tiny_preset) -> str:
        before = sorted(tmp_path.rglob("*"))
        fixed = ("--preset", preset, "--epochs", 2)
        for run_dir in ((), ("--run-dir", "mine")):
            said = kfine_command("fit", "image_classification", *fixed, *run_dir, *options)
            assert said.status == 2, said
            assert not said.out
            assert said.err.count("error: ") == 1
            assert said.err.splitlines()[-1].startswith("error: ")
            assert "Traceback" not in said.err
            assert sorted(one for one in tmp_path.rglob("*") if one.name != "runs") == before
        return str(said.err.splitlines()[-1])

    return run


def copy_of(photos: Path, folder: Path, **counts: int) -> Path:
    """A folder of class folders with so many photos of each class."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for photo in sorted((photos / name).iterdir())[:count]:
            shutil.copy(photo, folder / name)
    return folder


def test_a_missing_path(refused: Callable[..., str]) -> None:
    assert "there is no folder or file flowers" in refused("--data", "flowers")


def test_an_empty_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert "photos is empty" in refused("--data", "photos")


def test_one_class_only(refused: Callable[..., str], digit_photos: Path, tmp_path: Path) -> None:
    copy_of(digit_photos, tmp_path / "photos", one=3)
    assert "only one class, 'one' with 3" in refused("--data", "photos")


def test_a_class_with_one_photo(
    refused: Callable[..., str], digit_photos: Path, tmp_path: Path
) -> None:
    copy_of(digit_photos, tmp_path / "photos", one=1, two=4)
    assert "only one example in the class" in refused("--data", "photos")


def test_a_class_without_a_readable_photo(
    refused: Callable[..., str], digit_photos: Path, tmp_path: Path
) -> None:
    copy_of(digit_photos, tmp_path / "photos", one=4, two=4)
    for photo in (tmp_path / "photos" / "one").iterdir():
        photo.write_bytes(b"no image")
    assert "not one file of the class" in refused("--data", "photos")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("list.csv", "file,kind\na.png,one\n", "no column path"),
        ("list.csv", "path,kind\na.png,one\n", "no column label"),
        ("list.csv", "", "empty file"),
        ("list.jsonl", '{"path": "a.png"}\n', "label"),
        ("list.jsonl", "path,label\n", "not JSON"),
        ("list.txt", "path,label\n", "list.txt"),
    ],
)
def test_a_manifest_without_the_columns(
    refused: Callable[..., str], tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    assert words in refused("--data", name)


def test_a_preset_for_another_task(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    config = {"class_name": "BertBackbone", "config": {"vocabulary_size": 30522}}
    (tmp_path / "bert" / "config.json").write_text(json.dumps(config))
    assert "BertBackbone, which does not take images" in refused(preset="./bert")


def test_a_folder_that_is_no_preset(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "is no preset" in refused(preset="empty")


def test_a_preset_that_does_not_load(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    config = {"class_name": "OddBackbone", "config": {"input_shape": [None, None, 3]}}
    (tmp_path / "odd" / "config.json").write_text(json.dumps(config))
    assert "does not load" in refused(preset="odd")


def test_an_image_size_that_the_backbone_cannot_take(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "vit").mkdir()
    config = {"class_name": "ViTBackbone", "config": {"image_shape": [224, 224, 3]}}
    (tmp_path / "vit" / "config.json").write_text(json.dumps(config))
    assert "224 pixels only" in refused("--image-size", 96, preset="vit")


@pytest.mark.parametrize(
    ("unfreeze", "words"),
    [
        ("2:2,1:3", "must increase"),
        ("1:3,2:1", "must grow"),
        ("2:1,2:2", "must increase"),
        ("0:1", "count from 1"),
        ("9:1", "only 2 epochs"),
        ("halfway", "must be auto"),
        ("2:99", "the backbone has 6"),
        ("2:block9", "the backbone has: stem"),
        ("1:stem,2:top", "must train more"),
    ],
)
def test_contradictory_stages(
    refused: Callable[..., str], digit_photos: Path, unfreeze: str, words: str
) -> None:
    assert words in refused("--data", digit_photos, "--image-size", 32, "--unfreeze", unfreeze)


def test_a_preset_that_needs_the_network_is_refused_at_once(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "create_connection", refuse)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    start = time.monotonic()
    said = refused(preset="resnet_50_imagenet")
    assert time.monotonic() - start < 5
    assert "cannot be reached" in said
    assert "efficientnet_lite0" in said


@pytest.mark.parametrize("run_dir", ["file/run", "file", "full", "/proc/run"])
def test_a_run_folder_that_cannot_be_used(
    kfine_command: Command,
    tiny_preset: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_dir: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    Path("full").mkdir()
    Path("full/notes").write_text("mine")
    start = time.monotonic()
    # Refused before the data is read: /nothing would be refused too, with other words.
    options = ("--preset", tiny_preset, "--data", "/nothing", "--run-dir", run_dir)
    said = kfine_command("fit", "image_classification", *options)
    assert time.monotonic() - start < 5
    assert said.status == 2
    assert len(said.err.splitlines()) == 1
    assert "--run-dir" in said.err
    assert Path("file").read_text() == Path("full/notes").read_text() == "mine"


def test_labels_that_differ_only_in_case_are_warned_of(
    digit_photos: Path, tiny_preset: str, tmp_path: Path
) -> None:
    import io

    from kfine.console import Console
    from kfine.training.data import load_data, say_data
    from kfine.verbs.fit import prepare

    rows = ["path,label"]
    for place, label in enumerate(("one", "One", "two")):
        photos = sorted((digit_photos / label.lower()).iterdir())[8 * place : 8 * place + 8]
        rows += [f"{photo},{label}" for photo in photos]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    said = Console(stream=io.StringIO(), quiet=True)
    settings = {"data": str(tmp_path / "list.csv"), "preset": tiny_preset}
    module, config = prepare("image_classification", None, settings)
    say_data(load_data(module, config, said), said)
    assert "warning: " in said.stream.getvalue()
    assert "One" in said.stream.getvalue()


def test_a_file_for_predict_that_is_not_ours(
    kfine_command: Command, digit_photos: Path, finished_run: Path, tmp_path: Path
) -> None:
    photo = digit_photos / "one" / "0001.png"
    (tmp_path / "other.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    (tmp_path / "words.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    for name in ("other.tflite", "words.txt", "folder", "missing", photo):
        said = kfine_command("predict", tmp_path / name, photo)
        assert said.status == 2, said
        assert len(said.err.splitlines()) == 1, said
        assert Path(name).name in said.err
    empty = kfine_command("predict", finished_run, tmp_path / "folder")
    assert (empty.status, empty.err) == (2, "error: There are no images to predict.\n")


@pytest.mark.parametrize("verb", ["evaluate", "export"])
def test_a_run_that_is_none_or_not_finished(
    kfine_command: Command, tmp_path: Path, verb: str
) -> None:
    from kfine.runs.folder import RunFolder

    assert "does not exist" in kfine_command(verb, tmp_path / "nix").err
    assert "no run folder" in kfine_command(verb, tmp_path).err
    RunFolder(tmp_path).update(status="running", recipe="image_classification", class_names=["a"])
    for arguments in ((verb, tmp_path), ("predict", tmp_path, __file__)):
        said = kfine_command(*arguments)
        assert said.status == 2
        assert f"kfine fit --resume {tmp_path}" in said.err
