"""Tiny data for every recipe that comes with kfine."""

from __future__ import annotations

import csv
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

# All words are in the vocabulary of `tiny_text_preset`.
PLAIN, NAMES = ("a", "the", "film", "plot", "is", "very"), ("witty", "moving", "warm")
QUICK = {"epochs": 1, "batch_size": 16, "unfreeze": "none", "learning_rate": 0.02}


def _below(files: Path, root: Path) -> Path:
    """A folder that holds the files too, so that their names, and the splits, stay the same."""
    shutil.copytree(files, root / "files")
    return root


@pytest.fixture(scope="session")
def photo_table(digit_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of digits with a class, labels, a number, and gaps."""
    path = _below(digit_photos, tmp_path_factory.mktemp("photo-table")) / "digits.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "labels", "value", "gappy"])
        for index, photo in enumerate(sorted(path.parent.rglob("*.png"))):
            name = photo.parent.name
            value = ("zero", "one", "two").index(name)
            labels = "|".join(["even"] * (value % 2 == 0) + ["positive"] * (value > 0))
            row = photo.relative_to(path.parent)
            writer.writerow([row, name, labels, value, "" if index % 4 == 0 else value])
    return path


@pytest.fixture(scope="session")
def masked_photos(digit_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits with masks of their strokes: 0 is paper, 1 and 2 the ink of ones and of the rest."""
    root = tmp_path_factory.mktemp("masked-photos")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    (root / "classes.json").write_text(json.dumps(["paper", "one", "other"]))
    for photo in sorted(digit_photos.rglob("*.png")):
        with Image.open(photo) as image:
            pixels = np.asarray(image.convert("L"))
        name = f"{photo.parent.name}-{photo.name}"
        Image.fromarray(pixels).save(root / "images" / name)
        ink = 1 if photo.parent.name == "one" else 2
        Image.fromarray(np.where(pixels > 96, ink, 0).astype("uint8")).save(root / "masks" / name)
    return root


@pytest.fixture(scope="session")
def boxed_photos(digit_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits with a box around their strokes in COCO's JSON."""
    root = tmp_path_factory.mktemp("boxed-photos")
    names = ("zero", "one", "two")
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for number, photo in enumerate(sorted(digit_photos.rglob("*.png"))):
        with Image.open(photo) as image:
            pixels = np.asarray(image.convert("L"))
        name = f"{photo.parent.name}-{photo.name}"
        Image.fromarray(pixels).save(root / name)
        rows, columns = np.nonzero(pixels > 96)
        left, top = int(columns.min()), int(rows.min())
        sides = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
        height, width = pixels.shape
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        kind = names.index(photo.parent.name)
        boxes.append({"id": number, "image_id": number, "category_id": kind, "bbox": sides})
    kinds = [{"id": place, "name": name} for place, name in enumerate(names)]
    content = {"images": images, "annotations": boxes, "categories": kinds}
    (root / "boxes.json").write_text(json.dumps(content))
    return root


@pytest.fixture(scope="session")
def labelled_tones(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of tones with what they are: none, one or two of plain and deep."""
    path = _below(tones, tmp_path_factory.mktemp("labelled-tones")) / "tones.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "heard"])
        for sound in sorted(path.parent.rglob("*.wav")):
            heard = {"low": "deep|plain", "middle": "plain", "high": ""}[sound.parent.name]
            writer.writerow([sound.relative_to(path.parent), heard])
    return path


@pytest.fixture(scope="session")
def spoken_tones(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of tones with words for them."""
    path = _below(tones, tmp_path_factory.mktemp("spoken-tones")) / "tones.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "text"])
        for sound in sorted(path.parent.rglob("*.wav")):
            words = {"low": "low", "middle": "hi low", "high": "hi"}[sound.parent.name]
            writer.writerow([sound.relative_to(path.parent), words])
    return path


@pytest.fixture(scope="session")
def text_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of short texts with the names that they hold as labels."""
    chance = random.Random(0)
    path = tmp_path_factory.mktemp("text-table") / "names.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "names"])
        for _ in range(120):
            held = [name for name in NAMES if chance.random() < 0.4]
            words = held + chance.choices(PLAIN, k=chance.randint(2, 9))
            chance.shuffle(words)
            writer.writerow([" ".join(words), "|".join(held)])
    return path


@pytest.fixture(scope="session")
def tagged_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSONL of sentences with people."""
    chance = random.Random(0)
    path = tmp_path_factory.mktemp("tagged-table") / "people.jsonl"
    rows = []
    for _ in range(80):
        tokens = [*chance.choices(PLAIN, k=chance.randint(2, 8)), chance.choice(NAMES)]
        chance.shuffle(tokens)
        tags = ["B-person" if token in NAMES else "O" for token in tokens]
        rows.append(json.dumps({"tokens": tokens, "tags": tags}))
    path.write_text("\n".join(rows))
    return path


@pytest.fixture(scope="session")
def asked_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SQuAD JSON: the answer is the word behind `is`."""
    chance = random.Random(0)
    paragraphs = []
    for number in range(60):
        before = " ".join(chance.choices(PLAIN[:4], k=chance.randint(2, 6)))
        answer = chance.choice(NAMES)
        found = [{"text": answer, "answer_start": len(before) + 4}]
        asked = {"id": f"q{number}", "question": "the film is", "answers": found}
        paragraphs.append({"context": f"{before} is {answer} , the end", "qas": [asked]})
    path = tmp_path_factory.mktemp("asked-table") / "train.json"
    path.write_text(json.dumps({"version": "v1.1", "data": [{"paragraphs": paragraphs}]}))
    return path


@pytest.fixture(scope="session")
def told_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSONL of what is done with a thing, and with which."""
    chance = random.Random(0)
    rows = []
    for _ in range(60):
        said = " ".join(chance.choices(PLAIN, k=chance.randint(1, 4)))
        thing = chance.choice(("ball", "the ball"))
        rows.append(json.dumps({"prompt": f"{said} {thing}", "completion": thing}))
    path = tmp_path_factory.mktemp("told-table") / "things.jsonl"
    path.write_text("\n".join(rows))
    return path


@pytest.fixture(scope="session")
def cases(
    tiny_preset: str,
    tiny_text_preset: str,
    wide_text_preset: str,
    tiny_speech_preset: str,
    tiny_language_preset: str,
    mood_texts: Path,
    photo_table: Path,
    masked_photos: Path,
    boxed_photos: Path,
    tones: Path,
    labelled_tones: Path,
    spoken_tones: Path,
    text_table: Path,
    tagged_table: Path,
    asked_table: Path,
    told_table: Path,
) -> dict[str, dict[str, Any]]:
    """Name of a case, a recipe's or one with something behind a colon, to its settings."""
    photos = {"data": str(photo_table), "preset": tiny_preset, "image_size": 32, **QUICK}
    texts = {"preset": tiny_text_preset, "min_steps": 1, **QUICK}
    return {
        "audio_classification": {"data": str(tones), **QUICK},
        "audio_classification:labels": {
            "data": str(labelled_tones),
            "label_column": "heard",
            "label_separator": "|",
            **QUICK,
        },
        # Whisper's encoder.
        "audio_classification:speech": {
            "data": str(tones),
            "preset": tiny_speech_preset,
            **QUICK,
        },
        "image_classification": photos,
        "image_labels": {**photos, "label_column": "labels"},
        "image_segmentation": {**photos, "data": str(masked_photos)},
        "object_detection": {**photos, "data": str(boxed_photos)},
        "image_regression": {**photos, "numbers": "value:units"},
        "image_class_and_number": {**photos, "number": "gappy"},
        "text_classification:labels": {
            **texts,
            "data": str(text_table),
            "label_column": "names",
            "label_separator": "|",
        },
        "text_classification": {**texts, "data": str(mood_texts)},
        "speech_recognition": {
            "data": str(spoken_tones),
            "preset": tiny_speech_preset,
            "seconds": 3,
            "beams": 2,
            "min_steps": 1,
            **QUICK,
        },
        "text_generation": {
            **QUICK,
            "data": str(told_table),
            "preset": tiny_language_preset,
            "adapter": "none",
        },
        "token_classification": {**texts, "data": str(tagged_table)},
        "question_answering": {
            **texts,
            "data": str(asked_table),
            "preset": wide_text_preset,
            "sequence_length": 80,
        },
    }
