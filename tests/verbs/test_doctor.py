"""`doctor`: what it finds in planted data, what it writes, and that it changes nothing."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import kfine
from kfine.console import Console
from kfine.data.shared_names import shared_parts
from kfine.errors import ConfigError, DataError, RunError
from kfine.verbs.guess import guess_recipe

QUIET = Console(quiet=True)
SPEAKERS = ("anna", "bert", "carl")


def hashes(root: Path) -> dict[str, str]:
    return {
        str(one): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in sorted(root.rglob("*"))
        if one.is_file()
    }


def kinds(found: dict[str, Any]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for one in found["examples"]:
        groups.setdefault(one["kind"], set()).add(one["name"])
    return groups


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, digit_photos: Path) -> Path:
    """Photos of digits with a copy, a copy in another class, and a broken file."""
    root = tmp_path_factory.mktemp("planted") / "digits"
    shutil.copytree(digit_photos, root)
    first, second, third, *_ = sorted((root / "one").iterdir())
    shutil.copy(first, root / "one" / "copy.png")
    shutil.copy(second, root / "two" / "wrong.png")
    (root / "zero" / "broken.png").write_bytes(third.read_bytes()[:40])
    return root


@pytest.fixture(scope="module")
def examined(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("doctor") / "report"
    before = hashes(planted)
    found = kfine.doctor(str(planted), output=output, console=QUIET)
    assert hashes(planted) == before
    return found


def test_copies_and_broken_files_are_found(examined: dict[str, Any]) -> None:
    found = kinds(examined)
    assert found["cannot be used"] == {"zero/broken.png"}
    assert found["duplicate with another label"] & {"two/wrong.png", "one/0011.png"}
    same = [one for one in examined["examples"] if one["kind"].startswith("duplicate in")]
    assert len(same) == 1 and same[0]["suggestion"] == "exclude"
    assert {same[0]["name"], same[0]["beside"][1]} == {"one/0001.png", "one/copy.png"}
    assert examined["recipe"] == "image_classification"
    assert examined["classes"]["two"][0] == examined["data"]["splits"]["train"]["per_class"]["two"]
    assert examined["ranges"]["width in pixels"]["train"] == [8, 8, 8]
    assert any("frozen features" in one for one in examined["left_out"])


def test_the_files_say_the_same(examined: dict[str, Any]) -> None:
    folder = Path(examined["folder"])
    kept = json.loads((folder / "doctor.json").read_text())
    assert kept["findings"] == examined["findings"]
    with (folder / "clean.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(one["file"], one["finding"]) for one in rows] == [
        (one["name"], one["kind"]) for one in examined["examples"]
    ]
    page = (folder / "doctor.html").read_text()
    assert "two/wrong.png" in page and 'src="data:image/jpeg;base64,' in page
    assert "http" not in page.replace("http-equiv", "")


def test_names_of_files_and_classes_are_escaped(digit_photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    for name, source in (("<script>alert(1)<", "one"), ("two", "two")):
        shutil.copytree(digit_photos / source, root / name)
    shutil.copy(digit_photos / "one/0001.png", root / "two" / '"><img src=x>.png')
    found = kfine.doctor(str(root), output=tmp_path / "report", console=QUIET)
    page = (Path(found["folder"]) / "doctor.html").read_text()
    assert "<script>" not in page and "<img src=x>" not in page
    assert "&lt;script&gt;alert(1)&lt;" in page


def test_a_folder_that_holds_something_is_refused(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty; choose another folder with --output"):
        kfine.doctor(str(planted), output=tmp_path, console=QUIET)


def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file or folder"):
        kfine.doctor(str(tmp_path / "nowhere"), console=QUIET)
    (tmp_path / "notes.xyz").write_text("nothing")
    with pytest.raises(DataError, match="name the recipe that reads them with --recipe"):
        kfine.doctor(str(tmp_path), console=QUIET)
    (tmp_path / "alone.png").write_bytes(b"")
    with pytest.raises(DataError, match="read by the recipe image_classification"):
        kfine.doctor(str(tmp_path), console=QUIET)


def test_texts_are_taken_for_texts(tmp_path: Path) -> None:
    table = tmp_path / "mails.csv"
    rows = [
        f'"This is message number {i} about the {i * 7} of May.",{"ab"[i % 2]}' for i in range(40)
    ]
    rows.append('"this is MESSAGE number 4, about the 28 of May",a')
    table.write_text("\n".join(["text,label", *rows]))
    found = kfine.doctor(str(table), output=tmp_path / "report", console=QUIET)
    assert found["recipe"] == "text_classification"
    assert "characters" in found["ranges"]
    pairs = [one for one in found["examples"] if "near duplicate" in one["kind"]]
    assert any({one["name"], one["beside"][1]} == {"mails.csv:6", "mails.csv:42"} for one in pairs)


def test_tagged_texts_and_questions_are_known_by_their_files(tmp_path: Path) -> None:
    lines = [f"Anna{i}\tB-person\nsaw\tO\nParis\tB-place\nin\tO\n{i}\tO\n" for i in range(40)]
    tagged = tmp_path / "tagged"
    tagged.mkdir()
    (tagged / "train.conll").write_text("\n".join([*lines, lines[3].replace("saw", "SAW")]))
    (tagged / "README.md").write_text("what it is")
    found = kfine.doctor(tagged, output=tmp_path / "one", console=QUIET)
    assert found["recipe"] == "token_classification" and "words" in found["ranges"]
    page = (tmp_path / "one" / "doctor.html").read_text()
    assert "Anna3 SAW Paris in 3" in page
    paragraphs = [
        {
            "context": f"{'The film is very long. ' * (1 + i // 20)}It is {i} hours <b>long</b>.",
            "qas": [{"id": f"q{i}", "question": f"How long is film {i}?", "answers": []}],
        }
        for i in range(30)
    ]
    for i, one in enumerate(paragraphs):
        start = one["context"].index(f"{i} hours")
        one["qas"][0]["answers"] = [{"text": str(i), "answer_start": start}]
    asked = tmp_path / "asked"
    asked.mkdir()
    content = {"version": "v1.1", "data": [{"title": "films", "paragraphs": paragraphs}]}
    (asked / "train.json").write_text(json.dumps(content))
    found = kfine.doctor(asked, output=tmp_path / "two", console=QUIET)
    assert found["recipe"] == "question_answering"
    assert "words of the context" in found["ranges"]
    assert any("questions that are nearly the same" in line for line in found["left_out"])
    assert "<b>long" not in (tmp_path / "two" / "doctor.html").read_text()


def test_a_page_beside_tables_is_no_data(tmp_path: Path) -> None:
    rows = "\n".join(f"text number {i},{'ab'[i % 2]}" for i in range(40))
    (tmp_path / "train.csv").write_text(f"text,label\n{rows}")
    (tmp_path / "README.md").write_text("what it is")
    assert guess_recipe(str(tmp_path)) == "text_classification"


@pytest.mark.parametrize(
    ("line", "recipe"),
    [
        ({"instruction": "a", "input": "", "output": "b"}, "text_generation"),
        ({"messages": []}, "text_generation"),
        ({"text": "a", "label": "b"}, "text_classification"),
    ],
)
def test_columns_tell_recipes_apart(line: dict[str, Any], recipe: str, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps(line))
    assert guess_recipe(str(tmp_path)) == guess_recipe(str(tmp_path / "train.jsonl")) == recipe


def test_speakers_in_names_are_told(tmp_path: Path, digit_photos: Path) -> None:
    from kfine.inputs.image.loading import load_images

    for label in ("one", "two"):
        for split in ("train", "test"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            photos = sorted((digit_photos / label).iterdir())[
                slice(0, 24) if split == "train" else slice(24, 48)
            ]
            for place, photo in enumerate(photos):
                shutil.copy(photo, folder / f"{label}_{SPEAKERS[place % 3]}_{place}.png")
    data = load_images(
        str(tmp_path), image_size=(8, 8), validation_split=0.0, test_split=0.0, memory_budget=10**9
    )
    (shared,) = shared_parts(data)
    assert set(shared.values) == {"anna", "bert", "carl"}
    assert shared.counts == {"test": (48, 48)}


@pytest.mark.keras
def test_turned_labels_are_found_and_mended(digit_photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "turned"
    shutil.copytree(digit_photos, root)
    turned = []
    for place, name in ((5, "zero"), (9, "one"), (14, "two"), (20, "zero"), (30, "one")):
        other = {"zero": "one", "one": "two", "two": "zero"}[name]
        photo = sorted((digit_photos / name).iterdir())[place]
        (root / name / photo.name).rename(root / other / photo.name)
        turned.append((f"{other}/{photo.name}", name))
    settings = {"image_size": 48}
    found = kfine.doctor(
        str(root),
        recipe="image_classification",
        output=tmp_path / "report",
        console=QUIET,
        **settings,
    )
    doubtful = [one for one in found["examples"] if one["kind"] == "label in doubt"]
    # Of so few examples not all are told, and no right one is doubted.
    assert {(one["name"], one["new_label"]) for one in doubtful} <= set(turned)
    assert len(doubtful) >= 3
    assert found["right"] > 0.9
    assert not any("frozen features" in one for one in found["left_out"])
    table = tmp_path / "clean.csv"
    lines = ["file,suggestion,new_label", *(f"{name},relabel,{label}" for name, label in turned)]
    table.write_text("\n".join([*lines, "zero/0000.png,exclude,"]))
    run = kfine.fit(
        "image_classification",
        data=str(root),
        exclude=str(table),
        relabel=str(table),
        unfreeze="none",
        epochs=1,
        run_dir=tmp_path / "run",
        console=QUIET,
        **settings,
    )
    table.unlink()  # the run keeps what was decided
    assert run.evaluate(console=QUIET)["accuracy"] > 0.9
    kept = json.loads((run.path / "data.json").read_text())
    assert kept["cleaned"] == {"excluded": ["zero/0000.png"], "relabelled": dict(sorted(turned))}
    again = kfine.doctor(run.path, output=tmp_path / "again", console=QUIET)
    assert {name: sum(counts) for name, counts in again["classes"].items()} == {
        "one": 48,
        "two": 48,
        "zero": 47,
    }
    with pytest.raises(ConfigError, match="no recipe and no settings for a run"):
        kfine.doctor(run.path, recipe="image_classification", console=QUIET)
