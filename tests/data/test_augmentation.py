"""Augmentation: varies images in 0..255, from explicit seeds, and only when asked to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine.data.augmentation import augmentation_layers, seeded


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
    return np.asarray(augment(images, seed))


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
    first = np.asarray(augment(images, seed_of(5, 0)))
    other = np.asarray(augment(images, seed_of(6, 0)))
    assert not np.array_equal(first, other)
    # Neither a call in between nor layers built anew change what a seed gives.
    np.testing.assert_array_equal(np.asarray(augment(images, seed_of(5, 0))), first)
    np.testing.assert_array_equal(run(strength, images, seed_of(5, 0), flip="horizontal"), first)


def test_it_gives_the_same_inside_a_parallel_pipeline(images: np.ndarray) -> None:
    import tensorflow as tf

    augment = seeded(augmentation_layers("strong", flip="both"))
    assert augment is not None
    seeds = np.array([[step, 0] for step in range(6)], np.int32)
    dataset = tf.data.Dataset.from_tensor_slices(seeds)
    mapped = dataset.map(lambda seed: augment(tf.constant(images), seed), num_parallel_calls=2)
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
    layers = augmentation_layers("light", flip=flip)
    augment = seeded([layer for layer in layers if type(layer).__name__ == "RandomFlip"])
    if augment is None:
        assert not mirrored
        return
    image = images[0]
    ways = {
        "across": image[:, ::-1],
        "down": image[::-1],
        "turned": image[::-1, ::-1],
        "as it is": image,
    }
    found = np.asarray(augment(np.repeat(images[:1], 64, axis=0), seed_of(3, 0)))
    seen = {name for one in found for name, way in ways.items() if np.array_equal(one, way)}
    assert seen == mirrored | {"as it is"}
