"""Augmentation: varies images in 0..255, from explicit seeds, and only when asked to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine.errors import ConfigError

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global RandomAffine, augmentation_layers, seeded

    from kfine.data.augmentation import RandomAffine, augmentation_layers, seeded


# Four images of one brightness each, and as many classes: an image then shows what it is made of.
PLAIN = np.ones((4, 32, 32, 3), np.float32) * np.array([0, 50, 120, 255])[:, None, None, None]
ONE_HOT = np.eye(4, dtype=np.float32)


@pytest.fixture(scope="module")
def images(photo: np.ndarray) -> np.ndarray:
    """Four crops of a real photo, float32 in 0..255."""
    lefts = (40, 180, 300, 420)
    return np.stack([photo[200:232, left : left + 32] for left in lefts]).astype(np.float32)


def seed_of(*parts: int) -> np.ndarray:
    return np.array(parts, np.int32)


def run(strength: str, images: np.ndarray, seed: Any, flip: str = "none") -> np.ndarray:
    augment = seeded(augmentation_layers(strength, flip=flip))
    assert augment is not None
    return np.asarray(augment(images, (), seed)[0])


def test_none_is_none() -> None:
    assert augmentation_layers("none", flip="both") == []
    assert seeded([]) is None


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_it_varies_every_image_and_stays_in_range(strength: str, images: np.ndarray) -> None:
    varied = run(strength, images, seed_of(1, 0))
    assert varied.shape == images.shape
    assert varied.dtype == np.float32
    assert varied.min() >= 0
    assert varied.max() <= 255
    assert all(np.abs(one - other).mean() > 1 for one, other in zip(varied, images, strict=True))


def test_images_of_a_batch_vary_differently(images: np.ndarray) -> None:
    varied = run("light", np.repeat(images[:1], 4, axis=0), seed_of(1, 0))
    assert len({one.tobytes() for one in varied}) == 4


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_it_is_a_function_of_the_seed(strength: str, images: np.ndarray) -> None:
    augment = seeded(augmentation_layers(strength, flip="horizontal"))
    assert augment is not None
    first = np.asarray(augment(images, (), seed_of(5, 0))[0])
    other = np.asarray(augment(images, (), seed_of(6, 0))[0])
    assert not np.array_equal(first, other)
    # Neither a call in between nor layers built anew change what a seed gives.
    np.testing.assert_array_equal(np.asarray(augment(images, (), seed_of(5, 0))[0]), first)
    np.testing.assert_array_equal(run(strength, images, seed_of(5, 0), flip="horizontal"), first)


def test_it_gives_the_same_inside_a_parallel_pipeline(images: np.ndarray) -> None:
    import tensorflow as tf

    augment = seeded(augmentation_layers("strong", flip="both"))
    assert augment is not None
    seeds = np.array([[step, 0] for step in range(6)], np.int32)
    dataset = tf.data.Dataset.from_tensor_slices(seeds)
    mapped = dataset.map(
        lambda seed: augment(tf.constant(images), (), seed)[0], num_parallel_calls=2
    )
    found = [batch.numpy() for batch in mapped]
    assert len({one.tobytes() for one in found}) == 6
    for one, again in zip(found, mapped, strict=True):
        np.testing.assert_array_equal(one, again.numpy())


@pytest.mark.parametrize(
    ("flip", "mirrored"),
    [("none", set()), ("horizontal", {"across"}), ("both", {"across", "down", "turned"})],
)
def test_images_are_mirrored_as_asked_for(
    images: np.ndarray, flip: str, mirrored: set[str]
) -> None:
    augment = seeded([RandomAffine(flip=flip)])
    assert augment is not None
    image = images[0]
    ways = {
        "across": image[:, ::-1],
        "down": image[::-1],
        "turned": image[::-1, ::-1],
        "as it is": image,
    }
    found = np.asarray(augment(np.repeat(images[:1], 64, axis=0), (), seed_of(3, 0))[0])
    seen = {name for one in found for name, way in ways.items() if np.allclose(one, way, atol=0.1)}
    assert seen == mirrored | {"as it is"}


def varied_by(layer: Any, images: np.ndarray) -> np.ndarray:
    augment = seeded([layer])
    assert augment is not None
    return np.asarray(augment(images, (), seed_of(1, 0))[0])


@pytest.mark.parametrize("zoom", [-0.25, 0.2])
def test_one_interpolation_shows_what_the_layers_of_keras_show(
    images: np.ndarray, zoom: float
) -> None:
    ours = varied_by(RandomAffine(zoom=(zoom, zoom)), images)
    theirs = varied_by(RandomAffine(zoom=(zoom, zoom)).apart()[1], images)
    np.testing.assert_allclose(ours, theirs, atol=0.1)


def places(images: np.ndarray) -> np.ndarray:
    """Rows and columns of a spot of light in each image, from the middle: `(images, 2)`."""
    light = images[..., 0]
    ways = [np.einsum(how, light, np.arange(light.shape[1])) for how in ("nrc,r->n", "nrc,c->n")]
    return np.stack(ways, axis=1) / light.sum((1, 2))[:, None] - (light.shape[1] - 1) / 2


def test_images_turn_about_their_middle_and_shift_both_ways() -> None:
    spot = np.zeros((64, 33, 33, 1), np.float32)
    spot[:, 5:8, 15:18] = 255
    turned = places(varied_by(RandomAffine(turn=0.25), spot))
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), 10, atol=0.3)
    # A quarter of a turn to either side, so never into the lower half.
    assert turned[:, 1].min() < -9 and turned[:, 1].max() > 9
    assert -10.3 < turned[:, 0].min() < -9 and turned[:, 0].max() < 0.5
    shifted = places(varied_by(RandomAffine(shift=0.2), spot)) - places(spot)
    assert (shifted.min(0) < -5).all() and (shifted.max(0) > 5).all()
    assert np.abs(shifted).max() <= 0.2 * 33 + 0.1


def test_strong_gives_and_takes_colour(images: np.ndarray) -> None:
    def colour(rows: np.ndarray) -> np.ndarray:
        return (rows.max(axis=-1) - rows.min(axis=-1)).mean(axis=(1, 2))

    layers = [one for one in augmentation_layers("strong", flip="none") if "satur" in one.name]
    coloured = np.repeat(images[:1] / 2 + [60, 0, 30], 32, axis=0).astype(np.float32)
    ratio = colour(varied_by(layers[0], coloured)) / colour(coloured)
    assert ratio.min() < 0.8 and ratio.max() > 1.1


def test_boxes_and_masks_move_with_the_pixels(images: np.ndarray) -> None:
    """A white rectangle on black, its box and its mask, through every layer that moves."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((8, 64, 64, 3), np.float32)
    boxes, mask = np.zeros((8, 1, 4), np.float32), np.zeros((8, 64, 64, 1), np.int32)
    for number in range(8):
        left, top = rng.integers(14, 24, 2)
        right, bottom = left + rng.integers(14, 24), top + rng.integers(14, 24)
        pixels[number, top:bottom, left:right] = 255
        mask[number, top:bottom, left:right] = 1
        boxes[number, 0] = left, top, right, bottom
    targets = {
        "boxes": {"boxes": boxes, "labels": np.ones((8, 1), np.int32)},
        "mask": mask,
        "kept": np.arange(8, dtype=np.int32),
    }
    moves = {"boxes": "bounding_boxes", "mask": "segmentation_masks"}
    layers = RandomAffine(flip="both", shift=0.08).apart()[:3]
    augment = seeded(layers, moves)
    assert augment is not None
    varied, moved = augment(pixels, targets, seed_of(2, 0))
    varied, found = np.asarray(varied), np.asarray(moved["boxes"]["boxes"])
    assert moved["kept"] is targets["kept"]
    assert np.asarray(moved["mask"]).dtype == np.int32
    assert np.asarray(moved["boxes"]["labels"]).dtype == np.int32
    assert not np.array_equal(found, boxes) and np.array_equal(targets["boxes"]["boxes"], boxes)
    for number in range(8):
        rows, columns = np.nonzero(varied[number, ..., 0] > 127)
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert found[number, 0] == pytest.approx(seen, abs=1.6)
        here = np.asarray(moved["mask"])[number, ..., 0] == 1
        there = varied[number, ..., 0] > 127
        assert (here & there).sum() / (here | there).sum() > 0.9


def test_the_boxes_of_one_output_come_by_themselves() -> None:
    boxes = np.array([[[4, 6, 20, 16], [0, 0, 0, 0]]], np.float32)
    targets = {"boxes": boxes, "labels": np.array([[2, -1]], np.int32)}
    augment = seeded(RandomAffine(flip="horizontal").apart()[:1], {"found": "bounding_boxes"})
    assert augment is not None
    flipped = set()
    for step in range(8):
        _, moved = augment(np.zeros((1, 32, 32, 3), np.float32), targets, seed_of(step, 0))
        assert set(moved) == {"boxes", "labels"}
        assert np.asarray(moved["labels"]).tolist() == [[2, -1]]
        flipped.add(tuple(np.asarray(moved["boxes"])[0, 0].tolist()))
    assert flipped == {(4, 6, 20, 16), (12, 6, 28, 16)}


def test_a_layer_that_does_not_move_the_targets_is_refused() -> None:
    with pytest.raises(ConfigError, match="RandomErasing do not move boxes along"):
        seeded(augmentation_layers("strong", flip="none"), {"boxes": "bounding_boxes"})


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_labels_are_mixed_as_their_images_are(mix: str) -> None:
    augment = seeded(augmentation_layers("none", flip="none", mix=mix))
    assert augment is not None
    mixed = 0
    for step in range(8):
        images, labels = map(np.asarray, augment(PLAIN, ONE_HOT, seed_of(step, 0)))
        np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-5)
        # The mean of the pixels is that of the classes they come from, up to the edge of a
        # rectangle, which lies between two pixels.
        brightness = labels @ PLAIN[:, 0, 0, 0]
        np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), brightness, atol=17)
        mixed += int(np.sum((labels > 0.05) & (labels < 0.95)))
    assert mixed > 8


def test_mixtures_are_a_function_of_the_seed_inside_a_parallel_pipeline() -> None:
    import tensorflow as tf

    augment = seeded(augmentation_layers("strong", flip="both", mix="cutmix"))
    assert augment is not None
    seeds = np.array([[step, 0] for step in range(6)], np.int32)
    dataset = tf.data.Dataset.from_tensor_slices(seeds)
    inputs = tf.constant(PLAIN), tf.constant(ONE_HOT)
    found = list(dataset.map(lambda seed: augment(*inputs, seed), num_parallel_calls=2))
    for seed, (images, labels) in zip(seeds, found, strict=True):
        alone = augment(*inputs, seed)
        np.testing.assert_allclose(images, alone[0], atol=1e-3)
        np.testing.assert_allclose(labels, alone[1], atol=1e-6)


def test_targets_inside_the_image_are_not_mixed() -> None:
    layers = augmentation_layers("none", flip="none", mix="cutmix")
    with pytest.raises(ConfigError, match="CutMix do not move boxes along"):
        seeded(layers, {"boxes": "bounding_boxes"})
