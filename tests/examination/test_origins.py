"""Cameras that go with a class are told, those that do not are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kfine
from kfine.console import Console


def photos(root: Path, cameras: dict[str, list[str]]) -> Path:
    """Noise in two classes, taken in turn by cameras."""
    generator = np.random.default_rng(0)
    for label, several in cameras.items():
        folder = root / label
        folder.mkdir(parents=True)
        for number in range(24):
            pixels = generator.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            exif = Image.Exif()
            exif[0x0110] = several[number % len(several)]
            Image.fromarray(pixels).save(folder / f"{number}.jpg", exif=exif)
    return root


@pytest.mark.parametrize("apart", [True, False])
def test_a_camera_that_goes_with_a_class_is_told(tmp_path: Path, apart: bool) -> None:
    other = ["Pixel <9>", "Pixel <9>", "Pixel <9>", "X100"] if apart else ["X100", "Pixel <9>"]
    data = photos(tmp_path / "photos", {"cat": ["X100", "Pixel <9>"], "dog": other})
    if apart:
        data = photos(tmp_path / "apart", {"cat": ["X100"], "dog": other})
    found = kfine.doctor(data, output=tmp_path / "doctor", console=Console(quiet=True))
    told = [line for line in found["sentences"] if "camera goes with the class" in line]
    assert bool(told) == apart
    if apart:
        assert "Pixel <9> made 18 of 24 examples of dog, and 0 of 24 others" in told[0]
        page = (tmp_path / "doctor" / "doctor.html").read_text()
        assert "Pixel <9>" not in page
