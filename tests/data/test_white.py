"""One white for all images of a data set that have floats or more than 8 bits."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import kfine
from kfine.console import Console
from kfine.errors import DataError
from kfine.inputs.image import load_images
from kfine.inputs.image.pixels import decode_image

QUIET = Console(quiet=True)


def folder_of(path: Path, pictures: dict[str, np.ndarray]) -> Path:
    """Pictures of two classes, saved as TIFF."""
    for number, (name, values) in enumerate(pictures.items()):
        place = path / ("even" if number % 2 == 0 else "odd")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(place / name)
    return path


def ramp(top: float, dtype: Any, shift: int = 0) -> np.ndarray:
    values = np.linspace(0, top, 20 * 24).reshape(20, 24)
    return np.roll(values, shift, axis=1).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "tops", "white"),
    [
        (np.float32, (1.0, 1.02, 0.4, 1.0), 1),
        (np.float32, (255.0, 250.0, 1.0, 90.0), 255),
        (np.float32, (65535.0, 60000.0, 200.0, 1.0), 65535),
        (np.uint16, (1000, 1023, 80, 300), 1023),
        (np.uint16, (4095, 4000, 900, 2000), 4095),
        (np.uint16, (65535, 65000, 200, 4000), 65535),
        (np.int32, (16000, 16383, 900, 2000), 16383),
    ],
)
def test_one_white_holds_for_all_images(
    tmp_path: Path, dtype: Any, tops: tuple[float, ...], white: float
) -> None:
    pictures = {f"{n}.tif": ramp(top, dtype, n) for n, top in enumerate(tops * 4)}
    folder = folder_of(tmp_path / "deep", pictures)
    data = load_images(
        str(folder), image_size=(20, 24), validation_split=0.2, test_split=0.2, memory_budget=10**8
    )
    assert data.settings == {"white": white}
    (note,) = (one for one in data.notes if "white" in one)
    assert note.startswith(f"16 images have floats or more than 8 bits, up to {max(tops):g}: ")
    for split in data.splits.values():
        for number, name in enumerate(split.names):
            values = pictures[Path(name).name].astype(np.float64)
            wanted = np.rint((values * 255 / white).clip(0, 255)).astype(np.uint8)
            for found in (split.inputs[number], split.read_raw(number)):
                np.testing.assert_array_equal(found[..., 0], wanted)


def test_images_of_8_bits_have_no_white_and_are_not_read_for_it(digit_photos: Path) -> None:
    data = load_images(str(digit_photos), image_size=(32, 32), memory_budget=10**8)
    assert data.settings == {} and not any("white" in one for one in data.notes)


def test_images_that_are_black_or_white_all_over_are_counted(tmp_path: Path) -> None:
    pictures = {f"{n}.png": ramp(255, np.uint8, n) for n in range(12)}
    pictures |= {"black.png": ramp(7, np.uint8), "white.png": 255 - ramp(7, np.uint8)}
    folder = folder_of(tmp_path / "flat", pictures)
    data = load_images(str(folder), image_size=(20, 24), memory_budget=10**8)
    (warning,) = (one for one in data.warnings if "nearly" in one)
    assert warning == (
        "2 of 14 images are nearly black or nearly white all over: even/black.png, odd/white.png"
    )


@pytest.mark.slow
def test_a_run_predicts_and_evaluates_with_its_own_white(
    tmp_path: Path, tiny_settings: dict[str, Any], kfine_command: Callable[..., Any]
) -> None:
    # Bright is odd, dark is even: on a scale of its own each picture is bright.
    pictures = {f"{n}.tif": ramp((0.35, 1.0)[n % 2], np.float32, n) for n in range(48)}
    folder = folder_of(tmp_path / "deep", pictures)
    settings = {**tiny_settings, "data": str(folder), "epochs": 3, "unfreeze": "none"}
    settings |= {"augmentation": "none", "learning_rate": 0.05}
    run = kfine.fit("image_classification", run_dir=tmp_path / "run", console=QUIET, **settings)
    assert run.input.white == 1.0
    assert "--white" in "".join((run.path / "data.json").read_text())
    dark = folder / "even"
    (inputs,) = run.input.encode([decode_image(dark / "0.tif", run.input.white)]).rows
    assert inputs.max() < 100
    other = tmp_path / "other"
    shutil.copytree(dark, other / "even")
    said = kfine_command("predict", run.path, dark / "0.tif", "--json", "--quiet")
    assert said.status == 0, said.err
    metrics = kfine.evaluate(run.path, data=str(other), console=QUIET)
    assert metrics["accuracy"] > 0.9


def test_texts_in_a_png_do_no_harm(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("prompt", "x" * 3_000_000, zip=True)
    info.add_itxt("note", "y" * 3_000_000, zip=True)
    picture = Image.fromarray(np.repeat(ramp(255, np.uint8)[..., None], 3, axis=2))
    stream = io.BytesIO()
    picture.save(stream, "PNG", pnginfo=info)
    with pytest.raises(ValueError, match="MAX_TEXT_CHUNK"):
        Image.open(io.BytesIO(stream.getvalue())).load()
    np.testing.assert_array_equal(decode_image(stream.getvalue()), np.asarray(picture))
    with pytest.raises(DataError, match="truncated"):
        decode_image(stream.getvalue()[:-300])


def test_avif_is_read_whatever_its_ending_says(tmp_path: Path) -> None:
    from PIL import features

    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    path = tmp_path / "photo.jpg"
    picture = Image.fromarray(np.full((16, 24, 3), (200, 100, 50), np.uint8))
    picture.save(path, "AVIF", quality=95)
    assert np.abs(decode_image(path).astype(int) - [200, 100, 50]).max() < 8


@pytest.mark.parametrize(
    ("band", "kept"),
    [
        (np.full((20, 24), 10), True),
        (ramp(255, int), True),
        (np.full((20, 24), 255), True),
        (np.where(np.arange(24) < 12, 0, 255) + np.zeros((20, 1), int), False),
    ],
)
def test_a_fourth_band_that_is_no_transparency_is_left_out(band: np.ndarray, kept: bool) -> None:
    colours = np.repeat(ramp(200, np.uint8)[..., None], 3, axis=2)
    picture = Image.fromarray(np.dstack([colours, band.astype(np.uint8)]))
    stream = io.BytesIO()
    picture.save(stream, "TIFF")
    found = decode_image(stream.getvalue())
    assert np.array_equal(found, colours) == kept
    if not kept:
        assert (found[:, :12] == 255).all()
        assert np.array_equal(found[:, 12:], colours[:, 12:])
