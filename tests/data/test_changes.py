"""Changes that examples meet outside: each keeps the kind, grows with its strength, and repeats."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

import numpy as np
import pytest

from kfine.data.changes import Change
from kfine.inputs.audio.changes import CHANGES as OF_SOUNDS
from kfine.inputs.audio.changes import unfamiliar as other_sounds
from kfine.inputs.image.changes import CHANGES as OF_IMAGES
from kfine.inputs.image.changes import unfamiliar as other_images
from kfine.inputs.text.changes import CHANGES as OF_TEXTS
from kfine.inputs.text.changes import unfamiliar as other_texts

TEXT = (
    "The café on the corner, which my sister's friend opened last May, has the best cakes in town; "
    "but on Sundays you will wait for an hour, so bring a book and something warm to wear."
)
Source = np.random.Generator


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    from sklearn.datasets import load_sample_image

    found: np.ndarray = load_sample_image("flower.jpg")[60:284, 200:424].copy()
    return found


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    time = np.arange(16000) / 16000
    tones = sum(np.sin(2 * np.pi * tone * time * (1 + 0.2 * time)) for tone in (220, 900, 3000))
    return np.asarray(3000 * tones * np.hanning(16000), np.int16)


def distance(one: Any, other: Any) -> float:
    if isinstance(one, str):
        return 1 - SequenceMatcher(None, one, other, autojunk=False).ratio()
    count = min(len(one), len(other))
    return float(np.abs(one[:count].astype(np.float64) - other[:count]).mean())


def check(change: Change, example: Any) -> None:
    before = example.copy() if isinstance(example, np.ndarray) else example
    far = []
    for value in change.values:
        changed = [change.apply(example, value, np.random.default_rng(seed)) for seed in range(5)]
        again = change.apply(example, value, np.random.default_rng(0))
        np.testing.assert_array_equal(again, changed[0])
        assert type(again) is type(example)
        far.append(float(np.mean([distance(example, one) for one in changed])))
    np.testing.assert_array_equal(example, before)
    assert far[0] > 0
    assert far == sorted(far), change.name


@pytest.mark.parametrize("change", OF_IMAGES, ids=lambda one: one.name)
def test_photos_are_changed_more_by_each_step(change: Change, photo: np.ndarray) -> None:
    check(change, photo)
    for shape in ((224, 224, 3), (1, 1, 3), (5, 300, 3)):
        changed = change.apply(
            np.full(shape, 90, np.uint8), change.values[-1], Source(np.random.PCG64(0))
        )
        assert changed.shape == shape and changed.dtype == np.uint8


@pytest.mark.parametrize("change", OF_TEXTS, ids=lambda one: one.name)
def test_texts_are_changed_more_by_each_step(change: Change) -> None:
    check(change, TEXT)
    for text in ("", "a", "日本語のテキスト", "!!!"):
        assert isinstance(change.apply(text, change.values[-1], Source(np.random.PCG64(0))), str)


@pytest.mark.parametrize("change", OF_SOUNDS, ids=lambda one: one.name)
def test_recordings_are_changed_more_by_each_step(change: Change, sound: np.ndarray) -> None:
    if change.name == "speed":
        fast = change.apply(sound, 1.2, Source(np.random.PCG64(0)))
        assert len(fast) == pytest.approx(len(sound) / 1.2, rel=0.01) or len(fast) == pytest.approx(
            len(sound) * 1.2, rel=0.01
        )
        return
    check(change, sound)
    for length in (1, 50, 400):
        changed = change.apply(sound[:length], change.values[-1], Source(np.random.PCG64(0)))
        assert changed.dtype == np.int16 and len(changed) == length


def test_what_is_unfamiliar_has_the_form_of_an_example(
    photo: np.ndarray, sound: np.ndarray
) -> None:
    random = np.random.default_rng(0)
    for one in other_images(photo, random).values():
        assert one.shape == photo.shape and one.dtype == np.uint8
    assert all(isinstance(one, str) and one for one in other_texts(TEXT, random).values())
    assert all(isinstance(one, str) and one for one in other_texts("", random).values())
    for one in other_sounds(sound, random).values():
        assert one.shape == sound.shape and one.dtype == np.int16


def test_what_is_said_otherwise_keeps_its_case_and_comes_back() -> None:
    change = next(one for one in OF_TEXTS if one.name == "reworded")
    random = np.random.default_rng(0)
    said = change.apply("It's a big film. I DON'T buy; Buyers won't.", 1.0, random)
    assert said == "It is a large movie. I DO NOT purchase; Buyers will not."
    assert change.apply("Das ist ein Haus", 1.0, random) == "Das ist ein Haus"


def test_a_codec_keeps_the_length(sound: np.ndarray) -> None:
    change = next(one for one in OF_SOUNDS if one.name == "codec")
    for count in (16000, 100, 1):
        changed = change.apply(sound[:count], 6, np.random.default_rng(0))
        assert changed.dtype == np.int16 and len(changed) == count
