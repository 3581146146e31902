"""What is said of the data of a run before it trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kfine.console import Console
from kfine.training.data import load_data, say_data
from kfine.verbs.fit import prepare


@pytest.mark.parametrize(
    ("recipe", "column", "values", "sure"),
    [
        ("image_classification", "label", "ab", "80 % right on it may be"),
        ("image_regression", "number", "37", "an error on it may be 60% too low or too high"),
    ],
)
def test_a_small_split_is_warned_of_in_the_words_of_its_score(
    recipe: str,
    column: str,
    values: str,
    sure: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [f"path,{column}"]
    for number in range(32):
        shade = np.full((8, 8, 3), 8 * number, np.uint8)
        Image.fromarray(shade).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{values[number % 2]}")
    (tmp_path / "photos.csv").write_text("\n".join(lines))
    module, config = prepare(recipe, None, {"data": str(tmp_path / "photos.csv")})
    data = load_data(module, config, Console())
    say_data(data, Console())
    warned = [line for line in capsys.readouterr().err.splitlines() if "too few" in line]
    assert len(warned) == 2 and all(sure in line for line in warned)
