"""Masks from outlines: COCO's and labelme's JSON, drawn as they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kfine.answers.masks import MaskFiles
from kfine.errors import ConfigError, DataError

SIZE = (6, 8)
NAMES = ("background", "car", "road")


def photo(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(path)


def square(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def coco(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": 3, "name": "road"}, {"id": 7, "name": "car"}],
        "annotations": [{"id": n, "image_id": 1, **one} for n, one in enumerate(annotations)],
        **more,
    }


ROAD = {"category_id": 3, "segmentation": [square(0, 0, 7, 2)], "area": 24}
CAR = {"category_id": 7, "segmentation": [square(2, 1, 3, 4)], "area": 8}
TRUTH = ["22222222", "22112222", "22112222", "00110000", "00110000", "00000000"]


def written(tmp_path: Path, content: Any, name: str = "labels.json") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def rows(label: Any, names: tuple[str, ...] = NAMES) -> list[str]:
    return ["".join(map(str, row)) for row in label.numbers(names).tolist()]


@pytest.mark.parametrize("order", [(ROAD, CAR), (CAR, ROAD)])
def test_the_smaller_outline_is_in_front(tmp_path: Path, order: Any) -> None:
    photo(tmp_path / "a.png")
    source = MaskFiles().read_source(str(written(tmp_path, coco(*order))))
    (record,) = source.records
    assert record.label.present == NAMES
    assert rows(record.label) == TRUTH
    assert MaskFiles().names([record.label]) == NAMES


def packed(counts: list[int]) -> str:
    """As pycocotools does it."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            code = value & 0x1F
            value >>= 5
            more = value != -1 if code & 0x10 else value != 0
            text += chr((code | (0x20 if more else 0)) + 48)
    return text


@pytest.mark.parametrize("pack", [list, packed])
def test_run_lengths_go_down_the_columns(tmp_path: Path, pack: Any) -> None:
    chance = np.random.default_rng(0)
    mask = chance.random((90, 70)) > 0.97
    flat = mask.T.ravel()
    ends = [*np.flatnonzero(np.diff(flat)) + 1, len(flat)]
    counts = [int(one) for one in np.diff([0, *ends])]
    counts = [0, *counts] if flat[0] else counts
    photo(tmp_path / "a.png", mask.shape)
    content = coco(
        {"category_id": 3, "segmentation": {"counts": pack(counts), "size": [90, 70]}, "area": 9},
        images=[{"id": 1, "file_name": "a.png", "height": 90, "width": 70}],
    )
    source = MaskFiles().read_source(str(written(tmp_path, content)))
    found = source.records[0].label.numbers(("background", "road"))
    np.testing.assert_array_equal(found == 1, mask)


@pytest.mark.parametrize(
    ("name", "image", "split"),
    [
        ("annotations/instances_val2017.json", "images/a.png", "validation"),
        ("annotations/instances_train2017.json", "a.png", "train"),
        ("train/_annotations.coco.json", "train/a.png", "train"),
        ("labels.json", "images/a.png", None),
        ("annotations/test.json", "test/a.png", "test"),
    ],
)
def test_images_are_found_from_their_json(
    tmp_path: Path, name: str, image: str, split: str | None
) -> None:
    photo(tmp_path / image)
    written(tmp_path, coco(ROAD), name)
    source = MaskFiles().read_source(str(tmp_path))
    assert [(one.name, one.split) for one in source.records] == [(image, split)]


def test_labelme_has_a_json_for_each_image(tmp_path: Path) -> None:
    shapes = [
        {"label": "road", "points": [[0, 0], [7, 2]], "shape_type": "rectangle"},
        {"label": "car", "points": [[2, 1], [3, 1], [3, 4], [2, 4]], "shape_type": "polygon"},
        {"label": "car", "points": [[1, 1]], "shape_type": "point"},
    ]
    for name in ("a", "b"):
        photo(tmp_path / f"{name}.png")
        content = {
            "shapes": shapes,
            "imagePath": f"{name}.png",
            "imageHeight": SIZE[0],
            "imageWidth": SIZE[1],
        }
        written(tmp_path, content, f"{name}.json")
    source = MaskFiles().read_source(str(tmp_path))
    assert [one.name for one in source.records] == ["a.png", "b.png"]
    assert rows(source.records[1].label) == TRUTH
    assert source.warnings[0] == "1 shapes of a.json are no polygons or rectangles, left out"


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    images = [
        {"id": 1, "file_name": "a.png", "height": 6, "width": 8},
        {"id": 2, "file_name": "gone.png", "height": 6, "width": 8},
        {"id": 3, "file_name": "b.png", "height": 8, "width": 6},
    ]
    for name in "ab":
        photo(tmp_path / f"{name}.png")
    boxed = {"category_id": 7, "bbox": [1, 1, 2, 2]}
    source = MaskFiles().read_source(str(written(tmp_path, coco(ROAD, boxed, images=images))))
    assert [one.name for one in source.records] == ["a.png"]
    assert {one.name: one.reason for one in source.set_aside} == {
        "gone.png": "no such file",
        "b.png": "the image has 8 x 6 pixels, its JSON says 6 x 8 pixels",
    }
    assert source.warnings == (
        "1 annotations of labels.json have a box and no outline",
        "no outline in labels.json is of car",
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"images": []}, "is no JSON of outlines"),
        (coco({**ROAD, "category_id": 9}), "has the category 9, which is in no list"),
        (coco({"segmentation": []}), "is no complete COCO JSON: KeyError"),
        (coco(ROAD, images=[]), "not one image of .*: images lie beside their JSON"),
        (
            coco({**ROAD, "segmentation": {"counts": [5], "size": [6, 8]}}),
            "the first, a.png: its run lengths do not make 8 x 6 pixels",
        ),
        ({"shapes": [{"label": "a"}]}, "is no complete labelme JSON"),
    ],
)
def test_a_json_that_cannot_be_read_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    photo(tmp_path / "a.png")
    with pytest.raises(DataError, match=words):
        MaskFiles().read_source(str(written(tmp_path, content)))


def test_outlines_have_names_and_some_may_be_left_out(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    path = str(written(tmp_path, coco(ROAD, CAR)))
    with pytest.raises(ConfigError, match="leave classes out"):
        MaskFiles("a,b").read_source(path)
    with pytest.raises(ConfigError, match=r"Received: truck"):
        MaskFiles(ignore="truck").read_source(path)
    (record,) = MaskFiles(ignore="background").read_source(path).records
    assert MaskFiles().names([record.label]) == ("car", "road")
    assert rows(record.label, ("car", "road"))[-1] == "255" * 8


def test_boxes_alone_are_no_masks(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    boxed = {"category_id": 7, "bbox": [1, 1, 2, 2]}
    with pytest.raises(DataError, match=r"has an outline \(1 annotations .* box and no outline\)"):
        MaskFiles().read_source(str(written(tmp_path, coco(boxed))))
