"""image_segmentation: its settings reach the run, and what it finds is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import kfine
from kfine.answers.masks import Masks
from kfine.cli import cli
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.training.data import load_data
from kfine.training.job import build_job
from kfine.verbs.fit import prepare

QUIET = Console(quiet=True)
NAMES = ("paper", "ink", "stain")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright squares, and sometimes a dark one, on noise; with masks in a folder beside."""
    root = tmp_path_factory.mktemp("scenes")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    (root / "classes.txt").write_text("\n".join(NAMES))
    chance = np.random.default_rng(0)
    for number in range(40):
        image = chance.integers(90, 150, (40, 60, 3)).astype(np.uint8)
        mask = np.zeros((40, 60), np.uint8)
        for place, level in ((1, 250), (2, 5))[: 1 + number % 2]:
            top, left = chance.integers(0, 26), chance.integers(0, 46)
            image[top : top + 14, left : left + 14] = level
            mask[top : top + 14, left : left + 14] = place
        Image.fromarray(image).save(root / f"images/{number:02d}.png")
        Image.fromarray(mask).save(root / f"masks/{number:02d}.png")
    return root


@pytest.fixture(scope="module")
def settings(scenes: Path, tiny_preset: str) -> dict[str, Any]:
    return {"data": str(scenes), "preset": tiny_preset, "image_size": 32, "epochs": 6}


@pytest.fixture(scope="module")
def run(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> kfine.Run:
    path = tmp_path_factory.mktemp("segmentation") / "run"
    asked = {**settings, "epochs": 12, "learning_rate": 0.01}
    run = kfine.fit("image_segmentation", run_dir=path, console=QUIET, **asked)
    kfine.evaluate(run, console=QUIET)
    return run


def build(settings: dict[str, Any], **more: Any) -> Any:
    module, config = prepare("image_segmentation", None, {**settings, **more})
    data = load_data(module, config, QUIET)
    prepared = build_job(module, config, data, QUIET)
    return SimpleNamespace(config=config, data=data, job=prepared.job, answer=prepared.built.answer)


def test_every_group_trains_after_the_head_and_masks_move(settings: dict[str, Any]) -> None:
    built = build(settings)
    assert [stage.depth for stage in built.job.stages] == [0, len(built.job.groups) - 1]
    assert built.job.moves
    assert built.job.batches.targets.shape[1:] == (32, 32, 1)
    assert built.answer.names == NAMES
    assert (built.answer.weights, built.answer.dice) == ((), 0.5)


def test_an_answer_may_make_its_targets_after_augmentation(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Masks, "target", lambda self, rows: rows[:, ::2, ::2], raising=False)
    built = build(settings)
    assert built.job.batches.targets.shape[1:] == (32, 32, 1)
    for batches in (built.job.batches.dataset(), built.job.validation.in_order()):
        _, targets = next(iter(batches))
        assert tuple(targets.shape[1:]) == (16, 16, 1)


def test_the_settings_of_masks_reach_the_answer(settings: dict[str, Any]) -> None:
    built = build(
        settings, classes="a, b, c", ignore="c", class_weights="balanced", dice=0.25, batch_size=4
    )
    assert built.answer.names == ("a", "b")
    assert built.answer.dice == 0.25
    paper, ink = built.answer.weights
    assert paper < 1 < ink
    shares = np.array(built.answer.shares)
    assert float((shares * built.answer.weights).sum()) == pytest.approx(1)
    assert (built.job.batches.targets == 255).any()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"label_smoothing": 0.1}, "Masks are not smoothed"),
        ({"pooling": "both"}, "without pooling"),
        ({"classes": "one"}, "two names or more"),
        ({"ignore": "glass"}, "there are paper, ink, stain"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    settings: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        build(settings, **more)


def test_it_learns_where_things_are(run: kfine.Run) -> None:
    metrics = run.metrics
    assert metrics["mean_iou"] > metrics["baselines"]["most_pixels"]["mean_iou"] + 0.1
    assert set(metrics["per_class"]) == set(NAMES)
    for name in (metrics["pictures"], "plots/classes.png"):
        with Image.open(run.path / name) as drawn:
            assert drawn.width > 300
    (first, *_) = json.loads((run.path / "predictions.json").read_text())
    assert set(first["prediction"]) == set(NAMES)


def test_what_was_found_is_written_at_the_size_of_the_photo(
    run: kfine.Run, scenes: Path, tmp_path: Path
) -> None:
    photos = [scenes / "images/00.png", scenes / "images/01.png"]
    found = kfine.predict(run, photos, draw=tmp_path / "drawn", console=QUIET)
    assert {one.name for one in (tmp_path / "drawn").iterdir()} == {
        *("00.png", "01.png"),
        *("00.mask.png", "01.mask.png"),
    }
    for one, photo in zip(found, photos, strict=True):
        assert one.value.shape == (40, 60)
        with Image.open(tmp_path / "drawn" / f"{photo.stem}.mask.png") as mask:
            np.testing.assert_array_equal(np.asarray(mask), one.value)
        assert sum(row["share"] for row in one.rows) == pytest.approx(1, abs=1e-4)


def test_classes_are_known_by_their_names_in_other_data(
    run: kfine.Run, scenes: Path, tmp_path: Path
) -> None:
    """The same masks, with other values and in another order."""
    for folder in ("images", "masks"):
        (tmp_path / "other" / folder).mkdir(parents=True)
    values = {"stain": 3, "paper": 7, "ink": 200}
    (tmp_path / "other/classes.json").write_text(
        json.dumps({value: name for name, value in values.items()})
    )
    for image in (scenes / "images").iterdir():
        (tmp_path / "other/images" / image.name).write_bytes(image.read_bytes())
        with Image.open(scenes / "masks" / image.name) as mask:
            numbers = np.asarray(mask)
        changed = np.array([values[name] for name in NAMES], np.uint8)[numbers]
        Image.fromarray(changed).save(tmp_path / "other/masks" / image.name)
    one, other = (
        kfine.evaluate(run, data=str(data), console=QUIET) for data in (scenes, tmp_path / "other")
    )
    assert one["count"] == other["count"] == 40
    assert one["mean_iou"] == other["mean_iou"]
    assert one["per_class"] == other["per_class"]


def test_photos_are_never_written_over(run: kfine.Run, scenes: Path) -> None:
    before = (scenes / "images/00.png").read_bytes()
    with pytest.raises(ConfigError, match="give another folder"):
        kfine.predict(run, scenes / "images/00.png", draw=scenes / "images", console=QUIET)
    assert (scenes / "images/00.png").read_bytes() == before
    assert not (scenes / "images/00.mask.png").exists()


def test_photos_of_the_same_name_are_drawn_apart(
    run: kfine.Run, scenes: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other/00.png"
    other.write_bytes((scenes / "images/03.png").read_bytes())
    given = [str(scenes / "images/00.png"), str(other)]
    result = CliRunner().invoke(
        cli, ["predict", str(run.path), *given, "--draw", str(tmp_path / "drawn"), "--quiet"]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "name,class,share"
    assert {one.name for one in (tmp_path / "drawn").iterdir()} == {
        *("00.png", "00.mask.png"),
        *("00-2.png", "00-2.mask.png"),
    }


def test_classes_are_not_drawn(
    tiny_settings: dict[str, Any], digit_photos: Path, tmp_path: Path
) -> None:
    asked = {**tiny_settings, "epochs": 1, "unfreeze": "none"}
    run = kfine.fit("image_classification", run_dir=tmp_path / "run", console=QUIET, **asked)
    with pytest.raises(ConfigError, match="find something inside images"):
        kfine.predict(run, next(digit_photos.rglob("*.png")), draw=tmp_path, console=QUIET)


@pytest.mark.slow
def test_mediapipe_reads_the_file_and_finds_the_same(
    run: kfine.Run, scenes: Path, tmp_path: Path
) -> None:
    mediapipe = pytest.importorskip("mediapipe", exc_type=ImportError)
    from mediapipe.tasks.python import BaseOptions, vision

    report = kfine.export(run, max_drop=1, console=QUIET)
    assert report.bundle is not None
    options = vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_path=str(report.bundle / "model.tflite")),
        output_category_mask=True,
    )
    photos = sorted((scenes / "images").iterdir())[:10]
    ours = kfine.predict(report.bundle, photos, console=QUIET)
    same = []
    with vision.ImageSegmenter.create_from_options(options) as segmenter:
        assert segmenter.labels == list(NAMES)
        for photo, one in zip(photos, ours, strict=True):
            result = segmenter.segment(mediapipe.Image.create_from_file(str(photo)))
            theirs = result.category_mask.numpy_view().squeeze()
            same.append(float((theirs == one.value).mean()))
    assert np.mean(same) > 0.95
