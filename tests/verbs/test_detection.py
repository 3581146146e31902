"""object_detection: its settings reach the run, and what it finds is scored, drawn and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kfine
from kfine.answers.boxes.objects import Detections, overlaps
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.presets import find_preset
from kfine.training.data import load_data
from kfine.training.job import build_job
from kfine.verbs.fit import prepare

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global keras, detector, layer_groups, plain_model
    import keras

    from kfine.models.detector import detector
    from kfine.models.groups import layer_groups
    from kfine.models.plain import plain_model


QUIET = Console(quiet=True)
NAMES = ("disc", "square")
SIDES = ("left", "top", "right", "bottom")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright squares and dark discs on noise, one or two a picture, in COCO's JSON."""
    root = tmp_path_factory.mktemp("scenes")
    chance = np.random.default_rng(0)
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for number in range(64):
        image = chance.integers(100, 150, (96, 96, 3)).astype(np.uint8)
        for half in range(1 + number % 2):
            side = int(chance.integers(26, 40))
            left = 48 * half + int(chance.integers(0, max(1, 48 - side)))
            top = int(chance.integers(0, 96 - side))
            kind = int(chance.integers(0, 2))
            y, x = np.mgrid[:side, :side] - (side - 1) / 2
            inside = np.ones((side, side), bool) if kind else x**2 + y**2 <= (side / 2) ** 2
            image[top : top + side, left : left + side][inside] = 250 if kind else 5
            sides = [left, top, side, side]
            boxes.append({"id": len(boxes), "image_id": number, "category_id": kind, "bbox": sides})
        name = f"{number:02d}.png"
        Image.fromarray(image).save(root / name)
        images.append({"id": number, "file_name": name, "height": 96, "width": 96})
    kinds = [{"id": place, "name": name} for place, name in enumerate(NAMES)]
    content = {"images": images, "annotations": boxes, "categories": kinds}
    (root / "boxes.json").write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def settings(scenes: Path) -> dict[str, Any]:
    return {
        "data": str(scenes),
        "image_size": 96,
        "epochs": 6,
        "refit": "no",
        "validation_split": 0.25,
    }


@pytest.fixture(scope="module")
def run(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> kfine.Run:
    path = tmp_path_factory.mktemp("detection") / "run"
    asked = {**settings, "min_steps": 12, "learning_rate": 0.004}
    run = kfine.fit("object_detection", run_dir=path, console=QUIET, **asked)
    kfine.evaluate(run, console=QUIET)
    return run


def test_everything_trains_after_the_head_and_boxes_move(settings: dict[str, Any]) -> None:
    module, config = prepare("object_detection", None, settings)
    assert (config.ema, config.mosaic) == (0.98, 0.5)
    data = load_data(module, config, QUIET)
    prepared = build_job(module, config, data, QUIET)
    job = prepared.job
    assert [stage.depth for stage in job.stages] == [0, len(job.groups) - 1]
    assert job.moves
    assert [group.name for group in job.groups][-2:] == ["top", "head"]
    assert prepared.built.answer.names == NAMES
    images, targets = next(iter(job.batches.dataset()))[:2]
    # A mosaic has room for twice as many boxes.
    assert targets.shape[1:] == (4, 5)
    assert images.shape[1:] == (96, 96, 3)


def test_a_pretrained_detector_keeps_its_boxes_and_takes_fractions() -> None:
    preset = find_preset("yolox_nano")
    model, levels = detector(preset, 3, (64, 96))
    assert levels == ((8, 12), (4, 6), (2, 3))
    images = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype(np.float32)
    before, after = plain_model(preset)(images)[..., :5], model(images)[..., :5]
    np.testing.assert_allclose(before, after, atol=1e-4)
    kernel = model.get_layer("backbone").get_layer("backbone_stem").kernel
    assert float(keras.ops.mean(keras.ops.abs(kernel))) > 0.5


def test_any_convolutional_backbone_is_given_a_head(tiny_preset: str) -> None:
    model, levels = detector(find_preset(tiny_preset), 2, (64, 64))
    assert layer_groups(model)[-1].name == "head"
    outputs = model(np.zeros((1, 64, 64, 3), np.float32))
    assert outputs.shape == (1, sum(a * b for a, b in levels), 7)
    # At first hardly anything is found.
    assert float(keras.ops.max(keras.ops.sigmoid(outputs[..., 4]))) < 0.1


@pytest.mark.slow
def test_a_fit_finds_most_objects_and_shows_them(run: kfine.Run) -> None:
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["primary"] == "map"
    assert metrics["map50"] > 0.6
    assert metrics["baselines"]["nothing"]["map"] == 0
    assert set(metrics["per_class"]) == set(NAMES)
    for name in ("worst", "classes", "precision_recall", "confusion_matrix"):
        with Image.open(run.path / "plots" / f"{name}.png") as picture:
            assert min(picture.size) > 100
    rows = json.loads((run.path / "predictions.json").read_text())
    assert all(0 <= row["f1"] <= 1 for row in rows)
    assert {one["class"] for row in rows for one in row["label"]} == set(NAMES)


@pytest.mark.slow
def test_predictions_are_in_pixels_of_the_photo(
    run: kfine.Run, scenes: Path, tmp_path: Path
) -> None:
    photo = Image.open(scenes / "03.png").resize((192, 480))
    photo.save(tmp_path / "large.png")
    (one,) = kfine.predict(run, tmp_path / "large.png", draw=tmp_path / "drawn", console=QUIET)
    assert isinstance(one.value, Detections)
    assert one.value.size == (480, 192)
    truth = json.loads((scenes / "boxes.json").read_text())["annotations"]
    sides = np.array([row["bbox"] for row in truth if row["image_id"] == 3], np.float32)
    sides[:, 2:] += sides[:, :2]
    sides *= [2, 5, 2, 5]
    found = np.array([[row[side] for side in SIDES] for row in one.rows], np.float32).reshape(-1, 4)
    assert overlaps(found, sides).max() > 0.5
    with Image.open(tmp_path / "drawn" / "large.png") as drawn:
        assert drawn.size == (192, 480)
    listed = json.loads((tmp_path / "drawn" / "coco.json").read_text())
    assert [one["file_name"] for one in listed["images"]] == ["large.png"]
    assert len(listed["annotations"]) == len(one.rows)


@pytest.mark.slow
def test_a_run_keeps_the_threshold_that_validation_chose(run: kfine.Run) -> None:
    chosen = run.folder.info()["chosen"]["threshold"]
    assert run.answer.to_dict()["threshold"] == chosen
    assert json.loads((run.path / "metrics.json").read_text())["threshold"] == chosen
    rows = json.loads((run.path / "predictions.json").read_text())
    found = [one["probability"] for row in rows for one in row["prediction"]]
    assert min(found) >= chosen


@pytest.mark.slow
def test_mediapipe_reads_the_file_and_finds_the_same(
    run: kfine.Run, scenes: Path, tmp_path: Path
) -> None:
    mediapipe = pytest.importorskip("mediapipe", exc_type=ImportError)
    from mediapipe.tasks.python import BaseOptions, vision

    report = kfine.export(run, max_drop=1, console=QUIET)
    assert report.bundle is not None
    options = vision.ObjectDetectorOptions(
        base_options=BaseOptions(model_asset_path=str(report.bundle / "model.tflite")),
        score_threshold=0.5,
    )
    photos = sorted(scenes.glob("*.png"))[:12]
    ours = kfine.predict(report.bundle, photos, console=QUIET)
    same = []
    with vision.ObjectDetector.create_from_options(options) as found:
        for photo, one in zip(photos, ours, strict=True):
            result = found.detect(mediapipe.Image.create_from_file(str(photo)))
            theirs = [
                (each.categories[0].category_name, each.bounding_box) for each in result.detections
            ]
            for row in one.rows:
                mine = np.array([[row[side] for side in SIDES]], np.float32)
                best = [
                    overlaps(
                        mine,
                        np.array(
                            [[b.origin_x, b.origin_y, b.origin_x + b.width, b.origin_y + b.height]],
                            np.float32,
                        ),
                    )[0, 0]
                    for name, b in theirs
                    if name == row["class"]
                ]
                same.append(max(best, default=0.0))
    assert len(same) > 5
    # MediaPipe rounds boxes to whole pixels.
    assert np.mean(np.array(same) > 0.85) > 0.9


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"image_size": 100}, "image_size is a multiple of 32, such as 96. Received: 100"),
        ({"label_smoothing": 0.1}, "Boxes are not smoothed"),
        ({"pooling": "both"}, "maps of features, without pooling"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    asked: dict[str, Any], said: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        kfine.fit(
            "object_detection", run_dir=tmp_path / "run", console=QUIET, **{**settings, **asked}
        )
    assert not (tmp_path / "run").exists()
