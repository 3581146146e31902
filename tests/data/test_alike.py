"""Near duplicates of images, texts and recordings: planted ones are found, and few others."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from kfine.inputs.audio.fingerprints import alike_sounds
from kfine.inputs.audio.log_mel import RATE
from kfine.inputs.image.alike import alike_images
from kfine.inputs.text.duplicates import alike_texts

SIDE = 96
# Of 255.
TELLING = 30


@pytest.fixture(scope="module")
def tiles() -> list[Image.Image]:
    """Parts of two photographs that show something, none of which overlaps another."""
    from sklearn.datasets import load_sample_images

    found = []
    for photo in load_sample_images().images:
        for x in range(0, 624, 104):
            for y in range(0, 420, 84):
                part = photo[y : y + 84, x : x + 104]
                if part.std(axis=(0, 1)).mean() > TELLING:
                    found.append(Image.fromarray(part))
    return found


def rows_of(pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(one.resize((SIDE, SIDE))) for one in pictures])


def changed(picture: Image.Image, way: str) -> Image.Image:
    width, height = picture.size
    if way == "resize":
        return picture.resize((width // 2, height // 2))
    if way == "crop":
        return picture.crop((9, 5, width - 7, height - 10))
    if way == "jpeg":
        kept = io.BytesIO()
        picture.save(kept, "JPEG", quality=20)
        return Image.open(kept)
    return picture.transpose(
        Image.Transpose.ROTATE_90 if way == "turn" else Image.Transpose.FLIP_LEFT_RIGHT
    )


@pytest.mark.parametrize("way", ["resize", "crop", "jpeg", "turn", "mirror"])
def test_changed_copies_of_images_are_found(tiles: list[Image.Image], way: str) -> None:
    sources = range(0, len(tiles), 3)
    rows = rows_of([*tiles, *(changed(tiles[one], way) for one in sources)])
    pairs, note = alike_images(rows)
    found = {(one.one, one.other) for one in pairs}
    planted = {(source, len(tiles) + place) for place, source in enumerate(sources)}
    assert not note
    assert len(found & planted) >= 0.9 * len(planted) > 5
    assert len(found - planted) <= 1


def test_flat_images_and_empty_sets_have_no_copies() -> None:
    assert alike_images(np.full((5, 32, 32, 3), 200, np.uint8)) == ([], "")
    assert alike_images(np.zeros((0, 32, 32, 3), np.uint8)) == ([], "")


def test_texts_that_differ_in_a_few_signs_are_found() -> None:
    texts = [
        "The parcel that I ordered three weeks ago has still not arrived.",
        "Please tell me how I can change the address of my account.",
        "the parcel that i ordered three weeks ago, has still not arrived",
        "Please tell me how I can change the address of my accounts!",
        "...",
        "!!!",
    ]
    found = {(one.one, one.other) for one in alike_texts(texts)}
    assert found == {(0, 2), (1, 3)}


def test_changed_copies_of_recordings_are_found() -> None:
    random = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    sounds = []
    for _ in range(20):
        tones = random.uniform(300, 3500, (8, 1)) * (1 + random.uniform(-0.5, 0.5, (8, 1)) * time)
        beats = np.sin(2 * np.pi * random.uniform(1, 9, (8, 1)) * time)
        sound = (np.sin(2 * np.pi * tones * time) * beats).sum(axis=0) * 3000
        sounds.append(sound + random.normal(0, 300, RATE))
    copies = [
        sounds[3] * 0.3,
        sounds[5][2000:-1500],
        sounds[8] + random.normal(0, 100, RATE),
    ]
    pairs = alike_sounds([one.astype(np.int16) for one in [*sounds, *copies]])
    assert {(one.one, one.other) for one in pairs} == {(3, 20), (5, 21), (8, 22)}
