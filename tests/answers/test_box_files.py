"""Boxes in the formats of annotation tools: all say the same, and faults are named and counted."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kfine.answers.boxes import BoxFiles
from kfine.answers.boxes.coco import read_coco, write_coco
from kfine.answers.boxes.listed import Told
from kfine.answers.boxes.objects import Detections
from kfine.data.records import Source
from kfine.errors import DataError

WIDTH, HEIGHT = 80, 60
# Two objects, one, and none.
SCENES: dict[str, list[tuple[str, tuple[float, float, float, float]]]] = {
    "a": [("bolt", (4, 6, 24, 36)), ("nut", (40, 12, 72, 48))],
    "b": [("nut", (8, 8, 32, 48))],
    "c": [],
}


def pictures(root: Path, *names: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    for name in names or SCENES:
        noise = chance.integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        Image.fromarray(noise).save(root / f"{name}.png")


def coco(path: Path, scenes: dict[str, Any] = SCENES, **more: Any) -> None:
    names = ["bolt", "nut"]
    content = {
        "images": [
            {"id": place, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT}
            for place, name in enumerate(scenes)
        ],
        "categories": [{"id": place, "name": name} for place, name in enumerate(names)],
        "annotations": [
            {
                "id": 10 * place + number,
                "image_id": place,
                "category_id": names.index(kind),
                "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            }
            for place, own in enumerate(scenes.values())
            for number, (kind, box) in enumerate(own)
        ],
        **more,
    }
    path.write_text(json.dumps(content))


def voc(path: Path, name: str, own: Any, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    things = "".join(
        f"<object><name>{kind}</name><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>"
        f"<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for kind, box in own
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><filename>{name}.png</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size>{things}</annotation>"
    )


def as_coco(root: Path) -> Path:
    pictures(root)
    coco(root / "_annotations.coco.json")
    return root


def as_voc(root: Path) -> Path:
    pictures(root / "JPEGImages")
    for name, own in SCENES.items():
        voc(root / "Annotations" / f"{name}.xml", name, own)
    return root


def as_yolo(root: Path) -> Path:
    pictures(root / "images")
    (root / "labels").mkdir()
    (root / "data.yaml").write_text("names: [bolt, nut]\n")
    for name, own in SCENES.items():
        if own:
            lines = [
                f"{['bolt', 'nut'].index(kind)} {(x0 + x1) / 2 / WIDTH} {(y0 + y1) / 2 / HEIGHT} "
                f"{(x1 - x0) / WIDTH} {(y1 - y0) / HEIGHT}"
                for kind, (x0, y0, x1, y1) in own
            ]
            (root / f"labels/{name}.txt").write_text("\n".join(lines))
    return root


def as_table(root: Path) -> Path:
    pictures(root)
    with (root / "boxes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "xmin", "ymin", "xmax", "ymax"])
        for name, own in SCENES.items():
            for kind, box in own or [("", ("", "", "", ""))]:
                rows.writerow([f"{name}.png", kind, *box])
    return root / "boxes.csv"


def read(path: Path) -> Source:
    return BoxFiles().read_source(str(path))


def by_stem(source: Source) -> dict[str, Any]:
    assert all(record.path is not None and record.path.is_file() for record in source.records)
    return {Path(record.name).stem: record.label for record in source.records}


@pytest.mark.parametrize("write", [as_coco, as_voc, as_yolo, as_table])
def test_every_format_says_the_same(write: Callable[[Path], Path], tmp_path: Path) -> None:
    source = read(write(tmp_path / "data"))
    found = by_stem(source)
    assert sorted(found) == ["a", "b", "c"]
    for name, own in SCENES.items():
        assert found[name].classes == tuple(kind for kind, _ in own)
        assert found[name].size == (HEIGHT, WIDTH)
        np.testing.assert_allclose(
            np.reshape(found[name].boxes, (-1, 4)), np.reshape([box for _, box in own], (-1, 4))
        )
    assert source.set_aside == ()
    assert source.warnings == ()
    files = BoxFiles()
    labels = [record.label for record in source.records]
    assert files.names(labels) == ("bolt", "nut")
    assert set(files.strata(labels)) <= {"", "bolt", "nut"}


def test_the_split_is_said_by_a_folder_a_file_or_a_list(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        as_coco(tmp_path / "roboflow" / split)
    splits = {record.split for record in read(tmp_path / "roboflow").records}
    assert splits == {"train", "validation"}
    as_voc(tmp_path / "voc")
    (tmp_path / "voc/ImageSets/Main").mkdir(parents=True)
    (tmp_path / "voc/ImageSets/Main/train.txt").write_text("a\nb\n")
    (tmp_path / "voc/ImageSets/Main/val.txt").write_text("c\n")
    found = {Path(one.name).stem: one.split for one in read(tmp_path / "voc").records}
    assert found == {"a": "train", "b": "train", "c": "validation"}
    yolo = as_yolo(tmp_path / "yolo")
    for folder in ("images", "labels"):
        (yolo / folder).rename(yolo / f"{folder}_all")
        (yolo / folder).mkdir()
        (yolo / f"{folder}_all").rename(yolo / folder / "first")
    (yolo / "data.yaml").write_text("names: {0: bolt, 1: nut}\ntrain: images/first\nval: null\n")
    assert {one.split for one in read(yolo).records} == {"train"}
    assert by_stem(read(yolo / "data.yaml"))["a"].classes == ("bolt", "nut")


def test_boxes_that_cannot_be_are_counted(tmp_path: Path) -> None:
    scenes = {
        "a": [
            ("bolt", (4, 6, 24, 36)),
            ("bolt", (4, 6, 24, 36)),
            ("nut", (30, 10, 30, 20)),
            ("nut", (90, 10, 120, 20)),
            ("nut", (60, 40, 110, 90)),
        ],
        "b": SCENES["b"],
    }
    pictures(tmp_path)
    coco(tmp_path / "a.json", scenes)
    source = read(tmp_path)
    label = by_stem(source)["a"]
    assert label.boxes == ((4, 6, 24, 36), (60, 40, 80, 60))
    assert sorted(source.warnings) == [
        "boxes outside of their image, left out: 1 (the first in a.png)",
        "boxes that are there twice, counted once: 1 (the first in a.png)",
        "boxes that reach out of their image, cut at its edge: 1 (the first in a.png)",
        "boxes without area, left out: 1 (the first in a.png)",
    ]
    assert [one.reason for one in source.set_aside] == ["in no annotation"]


def test_crowds_are_left_out_and_unused_categories_are_named(tmp_path: Path) -> None:
    pictures(tmp_path)
    coco(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    content["annotations"][0]["iscrowd"] = 1
    content["categories"].append({"id": 7, "name": "washer"})
    (tmp_path / "a.json").write_text(json.dumps(content))
    source = read(tmp_path)
    assert by_stem(source)["a"].classes == ("nut",)
    assert any("crowd" in one for one in source.warnings)
    assert "no box in a.json is of washer" in source.notes


def test_two_formats_that_agree_are_read_once_and_contradictions_are_set_aside(
    tmp_path: Path,
) -> None:
    as_coco(tmp_path)
    moved = [("bolt", (5, 6, 25, 36)), SCENES["a"][1]]
    voc(tmp_path / "a.xml", "a", moved[::-1])
    source = read(tmp_path)
    assert sorted(by_stem(source)) == ["a", "b", "c"]
    assert "Pascal VOC's XML says the same of 1 images" in source.notes
    voc(tmp_path / "b.xml", "b", [("bolt", (8, 8, 32, 48))])
    source = read(tmp_path)
    assert sorted(by_stem(source)) == ["a", "c"]
    assert [one.reason for one in source.set_aside] == [
        "b.xml has 1 boxes, and another file 1 others"
    ]


def test_the_same_image_in_two_files_with_other_boxes_is_refused(tmp_path: Path) -> None:
    as_coco(tmp_path)
    coco(tmp_path / "again.json", {"b": [("bolt", (1, 1, 9, 9))]})
    with pytest.raises(DataError, match=r"lists b\.png with 1 boxes, and .*: keep one of them"):
        read(tmp_path)


def test_what_is_missing_or_of_another_size_is_set_aside(tmp_path: Path) -> None:
    pictures(tmp_path, "a", "b")
    voc(tmp_path / "a.xml", "a", SCENES["a"])
    voc(tmp_path / "b.xml", "b", SCENES["b"], size=(60, 80))
    voc(tmp_path / "c.xml", "c", [])
    reasons = {one.name: one.reason for one in read(tmp_path).set_aside}
    assert reasons == {
        "b.png": "the image has 80 x 60 pixels, b.xml says 60 x 80 pixels",
        "c.png": "no such file",
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 40 30 20 10", r"a\.txt, line 2: the box is in pixels"),
        ("7 0.5 0.5 0.1 0.1", r"a\.txt, line 2: no class has the number 7; the names are bolt"),
        ("bolt 0.5 0.5 0.1 0.1", r"a\.txt, line 2 is no class and box in numbers"),
        ("0 0.5 0.5", r"a\.txt, line 2: wanted a class, x and y"),
    ],
)
def test_a_wrong_line_is_named(line: str, said: str, tmp_path: Path) -> None:
    as_yolo(tmp_path)
    (tmp_path / "labels/a.txt").write_text(f"0 0.5 0.5 0.2 0.2\n{line}\n")
    with pytest.raises(DataError, match=said):
        read(tmp_path)


def test_outlines_of_yolo_become_boxes(tmp_path: Path) -> None:
    as_yolo(tmp_path)
    (tmp_path / "labels/a.txt").write_text("1 0.1 0.2 0.5 0.2 0.5 0.6 0.3 0.9\n")
    np.testing.assert_allclose(by_stem(read(tmp_path))["a"].boxes, [(8, 12, 40, 54)])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("path,label\na.png,bolt\n", r"has no column xmin, ymin, xmax, ymax"),
        ("label,xmin,ymin,xmax,ymax\nbolt,1,1,2,2\n", r"has no column path"),
        ("path,label,xmin,ymin,xmax,ymax\na.png,bolt,1,1,2,\n", r"line 2: a box needs label"),
        ("path,label,xmin,ymin,xmax,ymax\na.png,bolt,1,1,2,x\n", r"line 2: .* are pixels"),
        (
            "path,label,xmin,ymin,xmax,ymax,split\na.png,bolt,1,1,2,2,train\na.png,bolt,1,1,3,3,val\n",
            r"line 3: a\.png is in validation here and in train before",
        ),
    ],
)
def test_a_wrong_table_is_named(content: str, said: str, tmp_path: Path) -> None:
    pictures(tmp_path)
    (tmp_path / "boxes.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        read(tmp_path / "boxes.csv")


def test_a_table_of_other_tools_is_read(tmp_path: Path) -> None:
    pictures(tmp_path)
    (tmp_path / "train.csv").write_text(
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,80,60,bolt,4,6,24,36\n"
    )
    assert by_stem(read(tmp_path / "train.csv"))["a"].boxes == ((4, 6, 24, 36),)


def test_images_without_annotation_say_which_formats_were_looked_for(tmp_path: Path) -> None:
    pictures(tmp_path)
    with pytest.raises(DataError, match=r"3 images and no annotation: looked for COCO.*VOC.*YOLO"):
        read(tmp_path)
    (tmp_path / "boxes.csv").write_text("path,label,xmin,ymin,xmax,ymax\n")
    with pytest.raises(DataError, match=r"give the table itself, .*boxes\.csv"):
        read(tmp_path)
    with pytest.raises(DataError, match="wanted a folder with images and COCO"):
        read(tmp_path / "absent")


@pytest.mark.parametrize("damage", ["{", "<annotation>"])
def test_damaged_files_are_named(damage: str, tmp_path: Path) -> None:
    pictures(tmp_path)
    path = tmp_path / ("a.json" if damage == "{" else "a.xml")
    path.write_text(damage)
    with pytest.raises(DataError, match=r"a\.json is no JSON of boxes|a\.xml is no XML"):
        read(path if path.suffix == ".json" else tmp_path)


def test_a_json_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path)
    coco(tmp_path / "a.json", categories=[{"id": 0, "name": "bolt"}])
    with pytest.raises(DataError, match=r"has the category 1, which is in no list of categories"):
        read(tmp_path)
    coco(tmp_path / "a.json", images=[])
    with pytest.raises(DataError, match=r"is of the image 0, which is in no list of images"):
        read(tmp_path)


def test_without_an_object_there_is_nothing_to_learn(tmp_path: Path) -> None:
    pictures(tmp_path)
    coco(tmp_path / "a.json", {"a": [], "b": []})
    labels = [record.label for record in read(tmp_path).records]
    with pytest.raises(DataError, match="no object in any of the 2 images"):
        BoxFiles().names(labels)


def test_what_was_found_is_read_back_as_annotations(tmp_path: Path) -> None:
    photos = tmp_path / "photos" / "Straße"
    pictures(photos)
    first, second = (np.array([[4, 6, 24, 36]]), np.array([[8, 8, 32, 48], [40, 12, 72, 48]]))
    scale = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    named = [
        (
            photos / name,
            Detections(
                (boxes / scale).astype(np.float32),
                np.arange(len(boxes)),
                np.full(len(boxes), 0.75, np.float32),
                (HEIGHT, WIDTH),
            ),
        )
        for name, boxes in (("a.png", first), ("b.png", second))
    ]
    write_coco(photos / "coco.json", ("bolt", "nut"), named)
    (source,) = {
        one["score"] for one in json.loads((photos / "coco.json").read_text())["annotations"]
    }
    assert source == 0.75
    (photos / "c.png").unlink()
    listed = {one.file.name: one for one in read_coco(photos, Told())}
    for file, said in named:
        things = listed[file.name].things
        assert [one.name for one in things] == ["bolt", "nut"][: len(things)]
        np.testing.assert_allclose([one.box for one in things], said.boxes * scale, atol=0.01)
