"""Images in, named classes with probabilities out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import DataError
from kfine.verbs.predict import as_rows


class Listening(Console):
    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.said: list[str] = []

    def warn(self, line: str) -> None:
        self.said.append(line)


def test_predictions_are_those_that_were_scored(finished_run: Path, digit_photos: Path) -> None:
    import json

    scored = json.loads((finished_run / "predictions.json").read_text())
    images = [digit_photos / row["name"] for row in scored]
    found = kfine.predict(finished_run, images, console=Console(quiet=True))
    for row, one in zip(scored, found, strict=True):
        assert one.rows[0]["probability"] == pytest.approx(row["probability"], abs=1e-3)
        assert one.label == row["prediction"]


def test_all_classes_come_the_most_probable_first(finished_run: Path, digit_photos: Path) -> None:
    (one,) = kfine.predict(finished_run, digit_photos / "one" / "0001.png")
    probabilities = [row["probability"] for row in one.rows]
    assert probabilities == sorted(probabilities, reverse=True)
    assert np.sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert {row["label"] for row in one.rows} == {"one", "two", "zero"}
    (row,) = as_rows([one], top=2)
    assert row["predictions"] == list(one.rows[:2])


def test_what_is_unsure_says_so(finished_run: Path, digit_photos: Path) -> None:
    photo = digit_photos / "one" / "0001.png"
    (one,) = kfine.predict(finished_run, photo, unsure_below=0.999)
    assert (one.unsure, one.label) == (True, "unsure")
    (one,) = kfine.predict(finished_run, photo, unsure_below=0.1)
    assert (one.unsure, one.label) == (False, one.rows[0]["label"])


def test_a_folder_stands_for_all_images_below_it(
    finished_run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    deep = tmp_path / "photos" / "deep"
    deep.mkdir(parents=True)
    # More than are held at a time.
    for number in range(40):
        shutil.copy(digit_photos / "one" / "0001.png", deep / f"{number:02d}.jpg")
    (deep / "11.jpg").write_bytes(b"")
    (deep / "12.jpg").write_bytes(b"no image")
    (deep / ".DS_Store").write_bytes(b"hidden")
    console = Listening()
    found = kfine.predict(finished_run, tmp_path / "photos", console=console)
    assert [Path(one.name).stem for one in found] == [
        f"{number:02d}" for number in range(40) if number not in (11, 12)
    ]
    assert [
        line.count(str(deep / name))
        for line, name in zip(console.said, ("11.jpg", "12.jpg"), strict=True)
    ] == [1, 1]


def test_a_missing_image_is_refused_before_any_work(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no image .*nix\.png"):
        kfine.predict(finished_run, tmp_path / "nix.png")


def test_only_unreadable_images_is_an_error(finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    console = Listening()
    with pytest.raises(DataError, match="None of the 1 images"):
        kfine.predict(finished_run, tmp_path / "a.png", console=console)
    assert "a.png" in console.said[0]
