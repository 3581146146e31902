"""Pictures are drawn for everything that a run may hold, without a display or a warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kfine.answers.classes.plots import confusion_matrix_png
from kfine.drawing.mistakes import mistakes_png
from kfine.drawing.names import printable, printable_names, shorten
from kfine.errors import RunError
from kfine.training.plots import learning_curves_png

ODD_NAMES = [
    "Schöne Blüte (Frühling)",
    "苹果",
    "naïve_façade_of_the_old_town_hall_at_night",
    "Щелкунчик",
    "$5 and $10",
    "🍎 apple",
    "قطة",
    "two\nlines\tand_$\\alpha$",
]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def blue(image: np.ndarray) -> int:
    return int(((image[..., 2] - image[..., 0]) > 60).sum())


def orange(image: np.ndarray) -> int:
    return int(((image[..., 0] - image[..., 2]) > 60).sum())


@pytest.mark.parametrize("classes", [2, 6, 60])
def test_a_confusion_matrix_of_any_size_and_names_is_drawn(tmp_path: Path, classes: int) -> None:
    names = [f"{ODD_NAMES[index % len(ODD_NAMES)]} {index}" for index in range(classes)]
    confusion_matrix_png(tmp_path / "matrix.png", np.eye(classes, dtype=int) * 1234, names)
    height, width = pixels(tmp_path / "matrix.png").shape[:2]
    assert 200 < height < 4000
    assert 200 < width < 4000


def test_right_answers_are_blue_and_mistakes_orange(tmp_path: Path) -> None:
    confusion_matrix_png(tmp_path / "right.png", [[9, 0], [0, 9]], ["a", "b"])
    confusion_matrix_png(tmp_path / "wrong.png", [[0, 9], [9, 0]], ["a", "b"])
    right, wrong = pixels(tmp_path / "right.png"), pixels(tmp_path / "wrong.png")
    assert blue(right) > 10_000 > orange(right)
    assert orange(wrong) > 10_000 > blue(wrong)


def test_a_class_without_examples_is_drawn(tmp_path: Path) -> None:
    confusion_matrix_png(tmp_path / "matrix.png", np.zeros((3, 3), int), ["a", "b", "c"])
    assert blue(pixels(tmp_path / "matrix.png")) == 0


def test_learning_curves_show_validation_in_blue(tmp_path: Path) -> None:
    history = [
        {"epoch": epoch, "loss": 1 / epoch, "val_loss": 1.2 / epoch, "accuracy": 0.9}
        for epoch in range(1, 9)
    ]
    learning_curves_png(tmp_path / "curves.png", history, [(1, "head"), (3, "block6 to block7")])
    assert blue(pixels(tmp_path / "curves.png")) > 500


def test_learning_curves_show_what_the_answer_is_watched_by(tmp_path: Path) -> None:
    history = [{"epoch": 1, "loss": 0.5, "val_mean_iou": 0.1}]
    for metric in ("accuracy", "mean_iou"):
        path = tmp_path / f"{metric}.png"
        learning_curves_png(path, history * 2, metric=metric)
    shown, missing = (blue(pixels(tmp_path / f"{one}.png")) for one in ("mean_iou", "accuracy"))
    assert shown > missing


@pytest.mark.parametrize(
    "history",
    [[], [{"epoch": 1, "loss": 0.5}], [{"epoch": 1, "loss": float("nan"), "val_loss": None}]],
)
def test_short_and_broken_histories_are_drawn(
    tmp_path: Path, history: list[dict[str, float]]
) -> None:
    learning_curves_png(tmp_path / "curves.png", history, [(1, "head"), (7, "not reached yet")])
    assert pixels(tmp_path / "curves.png").size


def test_the_grid_grows_with_the_mistakes_up_to_24(tmp_path: Path) -> None:
    heights = []
    for count in (0, 1, 24, 30):
        images = [np.full((40 + index, 90, 3), 200, np.uint8) for index in range(count)]
        names = [ODD_NAMES[index % len(ODD_NAMES)] for index in range(count)]
        path = tmp_path / f"{count}.png"
        mistakes_png(path, images, names, names[::-1], np.full(count, 0.97), ODD_NAMES)
        heights.append(pixels(path).shape[0])
    assert heights[0] < heights[1] < heights[2] == heights[3]


def test_the_pixels_of_a_mistake_are_in_the_grid(tmp_path: Path) -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    image[..., 1] = 255
    mistakes_png(tmp_path / "grid.png", [image], ["a"], ["b"], [0.5])
    green = (pixels(tmp_path / "grid.png") == (0, 255, 0)).all(axis=-1)
    assert green.sum() > 20_000


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    images = np.repeat(load_digits().images[:3, ..., None] * 15, 3, axis=-1).astype(np.uint8)
    for name in ("first.png", "second.png"):
        mistakes_png(tmp_path / name, images, ["0", "1", "2"], ["3", "4", "5"], [0.9, 0.8, 0.7])
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_a_picture_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"matrix\.png"):
        confusion_matrix_png(tmp_path / "file" / "matrix.png", np.eye(2, dtype=int), ["a", "b"])


def test_drawing_leaves_pyplot_alone(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from kfine.training.plots import learning_curves_png\n"
        f"learning_curves_png({str(tmp_path / 'curves.png')!r}, [])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_names_keep_both_ends_when_they_are_shortened() -> None:
    assert shorten("warbler_adult_male", 40) == "warbler_adult_male"
    assert shorten("canadian_warbler_adult_male", 15) == "canadia…lt_male"
    assert shorten("苹果苹果苹果苹果", 9) == "苹果…苹果"


def test_a_name_that_no_font_can_draw_becomes_its_number() -> None:
    private_use = "\uf8f0"
    assert printable_names(["plain", private_use, f"{private_use} apple"]) == [
        "plain",
        "class 2",
        "class 3: apple",
    ]
    assert printable("two\nlines") == "two lines"
