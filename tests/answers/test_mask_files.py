"""Images with masks: paired by name, understood by a legend, and checked before training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kfine.answers.masks import MaskFiles
from kfine.answers.masks.legend import Legend, read_legend
from kfine.answers.masks.mask import numbered, open_mask, read_pixels, resized
from kfine.answers.masks.pairs import read_pairs
from kfine.errors import ConfigError, DataError


def photo(path: Path, size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(str(path))).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(noise).save(path)


def mask(path: Path, values: object = ((0, 1),), size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tile = np.array(values, np.uint8)
    rows = -(-size[0] // tile.shape[0]), -(-size[1] // tile.shape[1])
    whole = np.tile(tile, (*rows, *[1] * (tile.ndim - 2)))[: size[0], : size[1]]
    Image.fromarray(whole).save(path)


@pytest.mark.parametrize(
    ("image", "truth", "split"),
    [
        ("images/a.jpg", "masks/a.png", None),
        ("images/site/a.jpg", "masks/site/a.png", None),
        ("train/images/a.jpg", "train/labels/a.png", "train"),
        ("images/val/a.jpg", "annotations/val/a.png", "validation"),
        ("train/a.jpg", "trainannot/a.png", "train"),
        ("train_images/a.jpg", "train_masks/a.png", "train"),
        ("JPEGImages/a.jpg", "SegmentationClass/a.png", None),
        ("images/a.jpg", "masks/a_mask.png", None),
        ("a.jpg", "a_mask.png", None),
        ("raw_images/a.jpg", "masks/a.png", None),
        ("train/raw images/a.jpg", "train/color_labels/a.png", "train"),
        ("images/Lausann/a.jpg", "gt/Lausann/a.png", None),
    ],
)
def test_images_and_masks_are_paired_by_their_names(
    tmp_path: Path, image: str, truth: str, split: str | None
) -> None:
    photo(tmp_path / image)
    mask(tmp_path / truth)
    source = read_pairs(tmp_path)
    (record,) = source.records
    assert (record.name, record.split) == (image, split)
    assert record.label.path == tmp_path / truth
    assert source.set_aside == ()


def test_what_has_no_partner_is_set_aside_and_named(tmp_path: Path) -> None:
    for name in ("images/a.jpg", "images/b.jpg"):
        photo(tmp_path / name)
    for name in ("masks/a.png", "masks/c.png"):
        mask(tmp_path / name)
    source = read_pairs(tmp_path)
    assert [one.name for one in source.records] == ["images/a.jpg"]
    assert {(one.name, one.reason) for one in source.set_aside} == {
        ("images/b.jpg", "no mask"),
        ("masks/c.png", "a mask without an image"),
    }


@pytest.mark.parametrize("files", [["images/a.jpg"], [], ["masks/a.png"]])
def test_a_folder_without_pairs_says_what_was_looked_for(tmp_path: Path, files: list[str]) -> None:
    for name in files:
        (mask if "mask" in name else photo)(tmp_path / name)
    with pytest.raises(DataError, match=r"images and \d masks: put images in a folder images"):
        read_pairs(tmp_path)


def test_names_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.jpg")
    mask(tmp_path / "masks/b.png")
    with pytest.raises(DataError, match=r"not one of the 1 images .* \(the first: images/a.jpg\)"):
        read_pairs(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "names", "ignored"),
    [
        ("classes.json", '["road", "car"]', ("road", "car"), set()),
        (
            "classes.json",
            '{"classes": ["sky", "road", "rest"], "ignore_index": 2}',
            ("sky", "road"),
            {"rest"},
        ),
        ("classes.json", '{"1": "road", "0": "void"}', ("road",), {"void"}),
        ("classes.txt", "road\ncar\nUnlabelled\n", ("road", "car"), {"Unlabelled"}),
        ("labelmap.txt", "# label:color\nroad:1,2,3::\ncar:9,9,9::\n", ("road", "car"), set()),
        ("label_colors.txt", "64 128 64\tAnimal\n0 0 0 Void\n", ("Animal",), {"Void"}),
        ("class_dict.csv", "name,r,g,b\nroad,1,2,3\ncar,4,5,6\n", ("road", "car"), set()),
    ],
)
def test_a_legend_is_read_in_the_form_that_tools_write(
    tmp_path: Path, name: str, text: str, names: tuple[str, ...], ignored: set[str]
) -> None:
    (tmp_path / name).write_text(text)
    legend = read_legend(tmp_path)
    assert legend is not None
    assert (legend.names, legend.ignored, legend.source) == (names, ignored, name)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("classes.json", "{", "is no JSON"),
        ("classes.json", "[1, 2]", "is no list of classes"),
        ("classes.txt", "road\nroad\n", "names the class 'road' twice"),
        ("classes.txt", "\n", "names no classes"),
        ("labelmap.txt", "a:1,2,3::\nb:1,2,3::\n", "'b' and 'a' have the colour"),
        ("class_dict.csv", "name,r,g,b\nroad,x,2,3\n", "no whole number"),
    ],
)
def test_a_legend_that_says_nothing_is_refused(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_legend(tmp_path)


def test_settings_go_before_files(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("road\ncar\n")
    legend = read_legend(tmp_path, "street, vehicle ,rest", "rest")
    assert legend is not None
    assert (legend.names, legend.ignored) == (("street", "vehicle"), {"rest"})
    with pytest.raises(ConfigError, match=r"there are road, car\. Received: truck"):
        read_legend(tmp_path, "", "truck")
    with pytest.raises(ConfigError, match="There is no file of classes"):
        read_legend(tmp_path, "missing/classes.txt")
    with pytest.raises(ConfigError, match="two names or more"):
        read_legend(tmp_path, "road")


LEGEND = Legend({0: "road", 1: "car", 7: "void"}, {(1, 2, 3): "road", (9, 8, 7): "car"})


@pytest.mark.parametrize("form", ["L", "P", "RGB", "RGBA", "I;16"])
def test_a_mask_says_the_same_in_every_form(tmp_path: Path, form: str) -> None:
    values = np.array([[0, 1], [1, 7]], np.uint8)
    path = tmp_path / "mask.png"
    if form == "P":
        image = Image.fromarray(values, "L").convert("P")
        image.putdata(values.ravel().tolist())
    elif form == "I;16":
        image = Image.fromarray(values.astype(np.uint16))
    elif form == "L":
        image = Image.fromarray(values)
    else:
        image = Image.fromarray(np.repeat(values[:, :, None], 3, axis=2)).convert(form)
    image.save(path)
    legend = LEGEND.without(["void"])
    found = numbered(read_pixels(path.read_bytes()), legend, ("car", "road"))
    assert found.tolist() == [[1, 0], [0, 255]]


def test_colours_stand_for_classes(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    mask(path, [[[1, 2, 3], [9, 8, 7]]], (2, 2))
    legend = Legend({}, LEGEND.colours)
    found = open_mask(path, legend)
    assert (found.size, found.present) == ((2, 2), ("road", "car"))
    assert found.numbers(("car",)).tolist() == [[255, 0], [255, 0]]
    mask(path, [[[1, 2, 4], [9, 8, 7]]], (2, 2))
    with pytest.raises(DataError, match=r"the colour \(1, 2, 4\), which no class has"):
        open_mask(path, legend)


def test_a_value_without_a_class_is_refused_and_the_border_of_pascal_is_not(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    mask(path, [[0, 255]])
    assert open_mask(path, LEGEND).present == ("road",)
    mask(path, [[0, 3]])
    with pytest.raises(DataError, match="the value 3, which no class has"):
        open_mask(path, LEGEND)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "mask.jpg")
    with pytest.raises(DataError, match="JPEG has no exact values"):
        open_mask(tmp_path / "mask.jpg", LEGEND)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="damaged"):
        open_mask(path, LEGEND)


def test_images_whose_mask_does_not_fit_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text('["road", "car", "void"]')
    for name in "abcd":
        photo(tmp_path / f"images/{name}.png")
    mask(tmp_path / "masks/a.png")
    mask(tmp_path / "masks/b.png", size=(6, 8))
    mask(tmp_path / "masks/c.png", [[9]])
    mask(tmp_path / "masks/d.png", [[2]])
    source = MaskFiles().read_source(str(tmp_path))
    assert [record.name for record in source.records] == ["images/a.png"]
    assert {one.name[7:]: one.reason for one in source.set_aside} == {
        "b.png": "the image has 6 x 8 pixels, its mask 8 x 6 pixels",
        "c.png": "its mask has the value 9, which no class has",
        "d.png": "its mask has no pixel that counts",
    }
    assert source.notes == ("pixels of void do not count",)


def test_a_photo_taken_upright_is_measured_as_it_is_seen(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 8)).save(tmp_path / "images/a.jpg", exif=exif)
    mask(tmp_path / "masks/a.png", size=(6, 8))
    assert len(MaskFiles().read_source(str(tmp_path)).records) == 1


def test_masks_that_nothing_names_are_called_by_their_values(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    mask(tmp_path / "masks/a.png", [[0, 3, 255]])
    source = MaskFiles().read_source(str(tmp_path))
    assert MaskFiles().names(one.label for one in source.records) == ("class 0", "class 3")
    assert "nothing names them" in source.notes[0]
    mask(tmp_path / "masks/a.png", [[0, 255]])
    source = MaskFiles().read_source(str(tmp_path))
    assert source.records[0].label.present == ("background", "object")
    mask(tmp_path / "masks/a.png", [[[1, 2, 3], [9, 8, 7]]])
    with pytest.raises(DataError, match="nothing says what they stand for"):
        MaskFiles().read_source(str(tmp_path))
    mask(tmp_path / "masks/a.png", [list(range(99))], (8, 99))
    with pytest.raises(DataError, match="99 different values"):
        MaskFiles().read_source(str(tmp_path))


def test_black_and_white_masks_have_two_classes_whatever_a_stray_one_holds(tmp_path: Path) -> None:
    for number in range(12):
        photo(tmp_path / f"images/{number}.png")
        mask(tmp_path / f"masks/{number}.png", [[7]] if number == 3 else [[0, 255]])
    source = MaskFiles().read_source(str(tmp_path))
    assert {record.label.present for record in source.records} == {("background", "object")}
    assert [one.reason for one in source.set_aside] == [
        "its mask has the value 7, which no class has"
    ]
    named = MaskFiles("sky,cloud").read_source(str(tmp_path))
    assert "255 in the masks stands for cloud" not in named.notes, "one mask is neither"
    mask(tmp_path / "masks/3.png", [[0, 255]])
    named = MaskFiles("sky,cloud").read_source(str(tmp_path))
    assert {record.label.present for record in named.records} == {("sky", "cloud")}
    assert named.notes == ("255 in the masks stands for cloud",)


def test_many_pixels_that_do_not_count_are_said(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    mask(tmp_path / "masks/a.png", [[0, 1, 255, 255]])
    source = MaskFiles("a,b,c").read_source(str(tmp_path))
    (warning,) = source.warnings
    assert warning.startswith("33% of the pixels of the masks do not count")
    mask(tmp_path / "masks/a.png", [[0, 255]])
    source = MaskFiles("a,b,c").read_source(str(tmp_path))
    with pytest.raises(DataError, match=r"hold a alone: .* 50% of the pixels"):
        MaskFiles().names(one.label for one in source.records)


def test_a_manifest_names_a_mask_for_each_image(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    mask(tmp_path / "truth/a.png")
    rows = "path,mask,split\na.png,truth/a.png,train\na.png,,test\n"
    (tmp_path / "list.csv").write_text(rows)
    source = MaskFiles("road,car").read_source(str(tmp_path / "list.csv"))
    (record,) = source.records
    assert (record.label.path, record.split) == (tmp_path / "truth/a.png", "train")
    assert [one.reason for one in source.set_aside] == ["no mask"]
    (tmp_path / "list.csv").write_text("path,mask\na.png,gone.png\n")
    with pytest.raises(DataError, match=r"the first, a\.png: no such file"):
        MaskFiles("road,car").read_source(str(tmp_path / "list.csv"))


def test_masks_of_one_class_teach_nothing(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    mask(tmp_path / "masks/a.png", [[1]])
    (tmp_path / "classes.json").write_text(json.dumps(["road", "car"]))
    source = MaskFiles().read_source(str(tmp_path))
    with pytest.raises(DataError, match="hold car alone"):
        MaskFiles().names(one.label for one in source.records)


def test_a_label_is_as_long_as_its_mask_is_the_same(tmp_path: Path) -> None:
    """The fingerprint of the data covers what is in the masks, not where they lie."""
    for folder, values in (("one", [[0, 1]]), ("same", [[0, 1]]), ("other", [[1, 1]])):
        photo(tmp_path / folder / "images/a.png")
        mask(tmp_path / folder / "masks/a.png", values)
    written = [
        MaskFiles("a,b").read_source(str(tmp_path / folder)).records[0].written
        for folder in ("one", "same", "other")
    ]
    assert written[0] == written[1] != written[2]


def test_resizing_takes_the_nearest_pixel_as_tensorflow_does(needs_keras: None) -> None:
    import tensorflow as tf

    numbers = np.random.default_rng(0).integers(0, 9, (13, 7)).astype(np.uint8)
    for size in ((26, 14), (5, 5), (64, 3)):
        ours = resized(numbers, size)
        theirs = tf.image.resize(numbers[:, :, None], size, method="nearest").numpy()[:, :, 0]
        np.testing.assert_array_equal(ours, theirs)
