"""Other data is rehearsed: it trains too, is scored apart, and gives nothing away."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

import kfine
from kfine.console import Console
from kfine.errors import DataError, RunError

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def dark_and_light(digit_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two data sets of the same digits: as they are, and others in negative."""
    folders = [tmp_path_factory.mktemp(name) for name in ("dark", "light")]
    for photo in sorted(digit_photos.rglob("*.png")):
        name = photo.parent.name
        for folder in folders:
            (folder / name).mkdir(exist_ok=True)
        digit = Image.open(photo).convert("L")
        digit.save(folders[0] / name / photo.name)
        ImageOps.invert(digit).save(folders[1] / name / photo.name)
    return folders


def fit(path: Path, data: Path, preset: str, **settings: Any) -> kfine.Run:
    return kfine.fit(
        "image_classification",
        data=str(data),
        preset=preset,
        run_dir=path,
        console=QUIET,
        unfreeze="none",
        epochs=2,
        refit="no",
        image_size=32,
        **settings,
    )


@pytest.mark.slow
def test_what_is_rehearsed_is_still_known(
    dark_and_light: list[Path], tiny_preset: str, tmp_path: Path, fresh_cache: Path
) -> None:
    dark, light = dark_and_light
    forgetful = fit(tmp_path / "a", dark, tiny_preset)
    before = kfine.evaluate(forgetful, data=str(light), console=QUIET)["accuracy"]
    run = fit(tmp_path / "b", dark, tiny_preset, rehearse=str(light))
    metrics = kfine.evaluate(run, console=QUIET)
    found = metrics["rehearsed"]
    assert found["source"] == str(light) and found["count"] > 10
    assert found["accuracy"] > before + 0.1
    assert found["baselines"]["linear_probe"] > before
    assert "rehearsed" not in kfine.evaluate(forgetful, console=QUIET)
    assert run.folder.read("data.json")["rehearsal"]["source"] == str(light)
    assert {one["name"] for one in run.folder.read("splits.json")["train"]} == {
        one["name"] for one in forgetful.folder.read("splits.json")["train"]
    }


def test_other_labels_are_named(
    dark_and_light: list[Path], tiny_preset: str, tmp_path: Path
) -> None:
    dark, light = dark_and_light
    (tmp_path / "other").mkdir()
    for name, label in {"zero": "zero", "one": "one", "two": "deux"}.items():
        (tmp_path / "other" / label).symlink_to(light / name)
    with pytest.raises(DataError, match=r"same labels, 'one', 'two', 'zero'\. Received: .*'deux'"):
        fit(tmp_path / "run", dark, tiny_preset, rehearse=str(tmp_path / "other"))
    assert not (tmp_path / "run").exists()


def test_what_is_held_out_is_not_rehearsed(
    dark_and_light: list[Path], tiny_preset: str, tmp_path: Path
) -> None:
    from kfine.training.data import load_data
    from kfine.training.rehearsal import rehearsed
    from kfine.verbs.fit import prepare

    dark, light = dark_and_light
    # To train on, the same photos and others; and a test split that nobody has seen.
    for name in ("zero", "one", "two"):
        photos = {split: sorted((light / name).iterdir()) for split in ("train", "test")}
        photos = {"train": photos["train"][:20], "test": photos["test"][20:]}
        photos["train"] += sorted((dark / name).iterdir())
        for split, some in photos.items():
            (tmp_path / split / name).mkdir(parents=True)
            for photo in some:
                shown = f"{photo.parent.parent.name}-{photo.name}"
                (tmp_path / split / name / shown).symlink_to(photo)
    asked = {"data": str(dark), "preset": tiny_preset, "rehearse": str(tmp_path)}
    module, config = prepare("image_classification", None, asked)
    data = load_data(module, config, QUIET)
    other = module.load_data(config, str(tmp_path))
    held = {*data.test.digests, *data.validation.digests}
    assert held & set(other.train.digests)
    own = held | set(data.train.digests)
    assert set(data.rehearsal.train.digests) == set(other.train.digests) - own
    assert set(rehearsed(data).train.digests) == (set(other.train.digests) | own) - held
    assert set(data.rehearsal.test.digests) == set(other.test.digests)


def test_the_same_data_is_nothing_to_rehearse(
    dark_and_light: list[Path], tiny_preset: str, tmp_path: Path
) -> None:
    dark, _ = dark_and_light
    with pytest.raises(DataError, match=r"rehearse takes other data\. Received: .* are in .* too"):
        fit(tmp_path / "run", dark, tiny_preset, rehearse=str(dark))


def test_a_run_is_not_resumed_with_other_data_to_rehearse(
    dark_and_light: list[Path], tiny_preset: str, tmp_path: Path, fresh_cache: Path
) -> None:
    dark, light = dark_and_light
    old = tmp_path / "old"
    old.mkdir()
    for name in ("zero", "one", "two"):
        (old / name).symlink_to(light / name)
    run = fit(tmp_path / "run", dark, tiny_preset, rehearse=str(old))
    run.folder.update(status="interrupted")
    (old / "two").unlink()
    (old / "two").symlink_to(dark / "two")
    with pytest.raises(RunError, match="what is rehearsed is not the same"):
        kfine.fit(resume=run.path, console=QUIET)


def test_texts_are_rehearsed_too(
    text_settings: dict[str, Any], tmp_path: Path, fresh_cache: Path
) -> None:
    settings = {**text_settings, "unfreeze": "none", "epochs": 1}
    with Path(settings["data"]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    turned = [[" ".join(reversed(text.split())), label] for text, label in rows[1:]]
    old = tmp_path / "old.csv"
    with old.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([rows[0], *turned])
    run = kfine.fit(
        "text_classification",
        run_dir=tmp_path / "run",
        console=QUIET,
        rehearse=str(old),
        **settings,
    )
    used = run.folder.read("data.json")["rehearsal"]["used"]
    assert used["train"] > 80
    assert kfine.evaluate(run, console=QUIET)["rehearsed"]["count"] == used["test"]
