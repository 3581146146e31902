from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PhotoFolder = Callable[..., Path]


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A real photo, uint8 (427, 640, 3)."""
    from sklearn.datasets import load_sample_image

    return np.array(load_sample_image("china.jpg"))


@pytest.fixture
def photo_folder(tmp_path: Path, photo: np.ndarray) -> PhotoFolder:
    """Writes crops of a real photo: `make({"cat": 3}, root=..., offset=...)`."""

    def make(counts: dict[str, int], root: Path | None = None, offset: int = 0) -> Path:
        root = root or tmp_path / "photos"
        for place, (label, count) in enumerate(counts.items()):
            (root / label).mkdir(parents=True)
            for number in range(count):
                left = (offset + 37 * place + 7 * number) % 500
                crop = Image.fromarray(photo[50 * place : 50 * place + 60, left : left + 80])
                crop.save(root / label / f"{number}.jpg", quality=95)
        return root

    return make
