"""RandomMosaic: boxes lie where their pixels are, and what is hardly seen is dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global keras, augmentation_layers, seeded, RandomMosaic
    import keras

    from kfine.data.augmentation import augmentation_layers, seeded
    from kfine.data.mosaic import RandomMosaic


HEIGHT, WIDTH = 60, 80


def scenes(count: int = 8) -> dict[str, Any]:
    """One bright rectangle a picture, its level the number of its label."""
    chance = np.random.default_rng(0)
    images = np.zeros((count, HEIGHT, WIDTH, 3), np.float32)
    boxes = np.zeros((count, 2, 4), np.float32)
    labels = np.full((count, 2), -1, np.int32)
    for row in range(count):
        top, left = int(chance.integers(5, 30)), int(chance.integers(5, 45))
        height, width = int(chance.integers(12, 25)), int(chance.integers(12, 30))
        images[row, top : top + height, left : left + width] = 130 + 15 * row
        boxes[row, 0] = left, top, left + width, top + height
        labels[row, 0] = row
    return {"images": images, "bounding_boxes": {"boxes": boxes, "labels": labels}}


def extent(image: np.ndarray, level: float) -> np.ndarray:
    """Where a level is at least half there, left, top, right and bottom in pixels."""
    rows, columns = np.nonzero(np.abs(image[:, :, 0] - level) < 6)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_boxes_lie_where_their_pixels_are(share: float) -> None:
    keras.utils.set_random_seed(0)
    layer = RandomMosaic(share=share, flip="both", scale=(0.7, 1.3), shift=0.15)
    seen = 0
    for _ in range(6):
        found = layer(scenes(), training=True)
        boxes, labels = (np.asarray(found["bounding_boxes"][one]) for one in ("boxes", "labels"))
        assert boxes.shape == (8, 4 if share else 2, 4)
        for image, own, kinds in zip(np.asarray(found["images"]), boxes, labels, strict=True):
            there = kinds >= 0
            for box, kind in zip(own[there], kinds[there], strict=True):
                level = 130 + 15 * kind
                left, top, right, bottom = np.rint(box).astype(int)
                inside = image[top:bottom, left:right, 0]
                assert (np.abs(inside - level) < 0.55 * level).mean() > 0.8
                # In a mosaic the same picture may be there twice, and hardly seen there.
                if not share:
                    np.testing.assert_allclose(extent(image, level), box, atol=1.6)
                seen += 1
    assert seen > 30


def test_a_mosaic_has_more_objects_than_a_picture_and_none_that_is_hardly_seen() -> None:
    keras.utils.set_random_seed(1)
    found = RandomMosaic(share=1.0)(scenes(), training=True)
    boxes, labels = (np.asarray(found["bounding_boxes"][one]) for one in ("boxes", "labels"))
    there = labels >= 0
    assert there.sum(axis=1).max() >= 3
    assert (boxes >= 0).all()
    assert (boxes[..., ::2] <= WIDTH).all()
    assert (boxes[..., 1::2] <= HEIGHT).all()
    sides = boxes[there][:, 2:] - boxes[there][:, :2]
    assert sides.min() >= 2
    # Those that are there come first.
    assert (np.diff(there.astype(int), axis=1) <= 0).all()


def test_nothing_changes_where_nothing_is_trained() -> None:
    batch = scenes()
    found = RandomMosaic()(batch, training=False)
    np.testing.assert_array_equal(found["images"], batch["images"])


def test_a_seed_gives_the_same_pictures_and_boxes() -> None:
    layers = augmentation_layers("strong", flip="horizontal", mosaic=0.5)
    augment = seeded(layers, {"objects": "bounding_boxes"})
    assert augment is not None
    batch = scenes()
    seeds = [np.array([one, 0], np.int32) for one in (3, 3, 4)]
    first, again, other = (augment(batch["images"], batch["bounding_boxes"], s) for s in seeds)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1]["boxes"], again[1]["boxes"])
    assert np.abs(np.asarray(first[0]) - np.asarray(other[0])).max() > 1
    assert first[1]["labels"].dtype == "int32"


def test_settings_are_kept() -> None:
    layer = RandomMosaic(share=0.3, flip="both", scale=(0.5, 1.0), shift=0.2)
    again = RandomMosaic.from_config(layer.get_config())
    assert (again.share, again.flip, tuple(again.scale), again.shift) == (
        0.3,
        "both",
        (0.5, 1),
        0.2,
    )


def test_without_augmentation_there_is_no_mosaic() -> None:
    assert augmentation_layers("none", flip="horizontal", mosaic=0.5) == []
