"""Photos that are slow to decode are decoded once for all runs, and never a stale one is taken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kfine.data.cache import cache_entries
from kfine.inputs.image import decoding
from kfine.inputs.image.loading import load_images
from kfine.inputs.image.pixels import decode_image, resize_image
from kfine.verbs.cache import list_cache

Load = Callable[..., np.ndarray]


@pytest.fixture
def large_photos(tmp_path: Path, photo: np.ndarray) -> Path:
    """Two classes with two photos each of 9 megapixels, which take more than 10 ms to decode."""
    for number in range(4):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        crop = Image.fromarray(photo[:, 20 * number : 20 * number + 500])
        crop.resize((3600, 2500)).save(folder / f"{number}.jpg", quality=92)
    return tmp_path / "photos"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each photo that was really decoded."""
    found: list[int] = []

    def counting(content: bytes, white: float | None) -> np.ndarray:
        found.append(len(content))
        return decode_image(content, white)

    monkeypatch.setattr(decoding, "decode_image", counting)
    return found


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Reads all photos of a folder, in the order of their names."""
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))

    def read(folder: Path, size: tuple[int, int] = (64, 96)) -> np.ndarray:
        data = load_images(
            str(folder),
            image_size=size,
            validation_split=0.01,
            test_split=0.01,
            seed=0,
            memory_budget=10**9,
            folder=tmp_path / "rows",
        )
        rows = {
            name: split.inputs[[place]][0]
            for split in data.splits.values()
            for place, name in enumerate(split.names)
        }
        return np.stack([rows[name] for name in sorted(rows)])

    return read


def test_a_large_photo_is_decoded_once_and_comes_back_bit_for_bit(
    load: Load, large_photos: Path, decoded: list[int]
) -> None:
    first = load(large_photos)
    assert len(decoded) == 4
    np.testing.assert_array_equal(load(large_photos), first)
    assert len(decoded) == 4
    files = sorted(large_photos.rglob("*.jpg"))
    wanted = [resize_image(decode_image(file), (64, 96)) for file in files]
    np.testing.assert_array_equal(first, np.stack(wanted))
    (entry,) = list_cache()
    assert (entry["holds"], entry["rows"]) == ("photos, 64 x 96", 4)


def test_another_size_or_content_is_decoded(
    load: Load, large_photos: Path, decoded: list[int]
) -> None:
    load(large_photos)
    load(large_photos, (32, 32))
    assert len(decoded) == 8
    changed = large_photos / "a" / "0.jpg"
    Image.open(changed).rotate(180).save(changed, quality=92)
    rows = load(large_photos)
    assert len(decoded) == 9
    np.testing.assert_array_equal(rows[0], resize_image(decode_image(changed), (64, 96)))


def test_small_photos_are_not_worth_keeping(
    load: Load, photo_folder: Callable[..., Path], decoded: list[int]
) -> None:
    folder = photo_folder({"a": 3, "b": 3})
    for times in (1, 2):
        load(folder)
        assert len(decoded) == 6 * times
    assert cache_entries() == []


def test_a_damaged_photo_is_decoded_again(
    load: Load, large_photos: Path, decoded: list[int]
) -> None:
    first = load(large_photos)
    (pixels,) = cache_entries()[0].path.glob("segment-*/0.bin")
    content = bytearray(pixels.read_bytes())
    content[100] ^= 1
    pixels.write_bytes(content)
    np.testing.assert_array_equal(load(large_photos), first)
    assert 5 <= len(decoded) <= 8


@pytest.mark.parametrize("trouble", ["limit", "file in the way"])
def test_what_cannot_be_kept_is_decoded_again(
    load: Load,
    large_photos: Path,
    decoded: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    if trouble == "limit":
        monkeypatch.setenv("KFINE_CACHE_LIMIT", "0")
    else:
        (tmp_path / "cache").write_text("")
    for times in (1, 2):
        load(large_photos)
        assert len(decoded) == 4 * times
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
