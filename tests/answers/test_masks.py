"""Masks: learned where they count, scored at the size of the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.answers.masks import Masks
from kfine.answers.masks.overlay import colour_of
from kfine.answers.masks.score import boundary_f1, by_class, confusion
from kfine.errors import DataError
from kfine.inputs.places import ImagePlaces, Whole

MASKS = Masks(("road", "car"), (4, 4), (0.7, 0.3))


def grid(*rows: str) -> Any:
    """Numbers from digits; a dot does not count."""
    return np.array([[255 if c == "." else int(c) for c in row] for row in rows], np.uint8)


def test_what_does_not_count_is_in_no_figure() -> None:
    truth, found = grid("00.", "01."), grid("001", "000")
    table = confusion(found, truth, 2)
    assert table.tolist() == [[3, 0], [1, 0]]
    figures = by_class(table, ("road", "car"))
    assert figures["road"]["iou"] == figures["road"]["precision"] == 0.75
    assert figures["car"] == {"iou": 0, "dice": 0, "precision": 0, "recall": 0, "support": 1}
    score = MASKS.score([found], [truth])
    assert score.metrics["mean_iou"] == 0.375
    assert score.metrics["pixel_accuracy"] == 0.75
    assert score.each.tolist() == [0.375]


def test_a_class_that_nobody_has_seen_is_in_no_mean() -> None:
    answer = Masks(("road", "car", "tree"), (2, 2), (0.5, 0.5, 0.0))
    score = answer.score([grid("01", "01")], [grid("01", "01")])
    assert score.metrics["mean_iou"] == 1.0
    assert score.tables["per_class"]["tree"]["iou"] is None
    assert score.right.all()


def test_a_prediction_is_stretched_over_the_truth() -> None:
    truth = np.repeat(np.repeat(grid("01", "10"), 3, axis=0), 5, axis=1)
    assert MASKS.score([grid("01", "10")], [truth]).metrics["mean_iou"] == 1.0


def test_the_mean_is_over_all_pixels_of_the_set_and_can_be_drawn_again() -> None:
    truths = [grid("00", "01"), grid("11", "11"), grid("00", "00")]
    found = [grid("00", "00"), grid("11", "11"), grid("01", "00")]
    score = MASKS.score(found, truths)
    assert score.resample is not None
    assert score.resample(np.arange(3)) == score.metrics["mean_iou"]
    assert score.resample(np.array([1, 1, 1])) == 1.0
    with pytest.raises(DataError, match="nothing to score"):
        MASKS.score([], [])


@pytest.mark.parametrize(("shift", "least", "most"), [(0, 1, 1), (1, 1, 1), (9, 0, 0.4)])
def test_boundaries_may_be_a_little_off(shift: int, least: float, most: float) -> None:
    def square(left: int) -> Any:
        numbers = np.zeros((60, 60), np.uint8)
        numbers[20:40, left : left + 20] = 1
        return numbers

    assert least <= boundary_f1(square(10 + shift), square(10)) <= max(most, least)
    assert np.isnan(boundary_f1(square(10), np.zeros((60, 60), np.uint8)))
    assert boundary_f1(np.zeros((60, 60), np.uint8), square(10)) == 0


def test_the_trivial_answer_is_the_class_with_the_most_pixels() -> None:
    trivial = MASKS.trivial([], [])
    (found,) = trivial.predict([None])
    assert MASKS.score([found], [grid("0001")]).metrics["pixel_accuracy"] == 0.75


def test_a_mask_is_said_in_shares() -> None:
    assert MASKS.describe(grid("0001")) == [
        {"class": "road", "share": 0.75},
        {"class": "car", "share": 0.25},
    ]
    assert MASKS.describe(grid("00")) == [{"class": "road", "share": 1.0}]
    row = MASKS.row(grid("01"), grid("0."))
    assert row == {
        "label": {"road": 1.0, "car": 0.0},
        "prediction": {"road": 0.5, "car": 0.5},
        "mean_iou": 1.0,
    }


def test_a_picture_shows_each_class_in_its_colour_and_leaves_the_rest() -> None:
    image = np.full((2, 4, 3), 200, np.uint8)
    shown = MASKS.drawn(image, grid("01", ".."))
    assert shown.shape == image.shape
    assert (shown[1] == 200).all()
    assert len({tuple(pixel) for pixel in shown[0].tolist()}) == 2
    assert len({colour_of(place) for place in range(30)}) == 30


@pytest.mark.parametrize("size", [(3, 5), (40, 20), (1800, 2400)])
def test_classes_are_found_between_the_pixels_of_the_map(size: tuple[int, int]) -> None:
    from kfine.answers.masks.mask import largest_at

    # From left to right the one falls as the other rises: they meet in the middle.
    rising = np.tile(np.linspace(0, 1, 8, dtype=np.float32), (6, 1))
    found = largest_at(np.stack([1 - rising, rising], axis=-1), size)
    assert (found.shape, found.dtype) == (size, np.uint8)
    middle = size[1] // 2
    assert (found[:, : middle - size[1] // 50] == 0).all()
    assert (found[:, middle + 1 + size[1] // 50 :] == 1).all()


def test_what_is_written_comes_back() -> None:
    answer = Masks(("a", "b"), (8, 16), (0.9, 0.1), (0.5, 4.0), 0.25)
    assert Masks.load(answer.to_dict()) == answer
    with pytest.raises(ValueError, match="not as many"):
        Masks.load({**answer.to_dict(), "shares": [1.0]})
    with pytest.raises(ValueError, match="2 to 254"):
        Masks.load({**answer.to_dict(), "names": ["a"], "shares": [1.0], "weights": []})


@pytest.mark.keras
class TestInKeras:
    def loss(self, truth: Any, logits: Any, **options: Any) -> float:
        from kfine.answers.masks.losses import MaskLoss

        return float(MaskLoss(**options)(truth[None, :, :, None], logits[None]))

    def test_the_loss_is_the_mean_over_the_pixels_that_count(self) -> None:
        logits = np.random.default_rng(0).normal(size=(2, 2, 2)).astype(np.float32)
        log = np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))
        truth = grid("0.", "1.")
        assert self.loss(truth, logits) == pytest.approx(-(log[0, 0, 0] + log[1, 0, 1]) / 2)
        weighted = self.loss(truth, logits, weights=(0.5, 2.0))
        assert weighted == pytest.approx(-(0.5 * log[0, 0, 0] + 2 * log[1, 0, 1]) / 2)
        assert self.loss(grid("..", ".."), logits) == 0

    def test_dice_falls_as_the_masks_meet(self) -> None:
        truth = grid("01", "01")
        right = np.stack([truth == 0, truth == 1], axis=-1).astype(np.float32) * 20
        assert self.loss(truth, right, dice=1.0) == pytest.approx(0, abs=1e-3)
        assert self.loss(truth, -right, dice=1.0) == pytest.approx(1, abs=1e-3)
        assert 0.3 < self.loss(truth, 0 * right, dice=1.0) < 0.7

    def test_logits_are_brought_to_the_size_of_the_truth(self) -> None:
        logits = np.random.default_rng(0).normal(size=(2, 2, 2)).astype(np.float32)
        finished = MASKS.finish({"mask": logits[None]})["confidences"]
        assert tuple(finished.shape) == (1, 4, 4, 2)
        np.testing.assert_allclose(np.asarray(finished).sum(-1), 1, atol=1e-6)
        truth = np.asarray(finished)[0].argmax(-1).astype(np.uint8)
        chosen = np.take_along_axis(np.asarray(finished)[0], truth[..., None], -1)
        assert self.loss(truth, logits) == pytest.approx(float(-np.log(chosen).mean()), rel=1e-4)

    def test_the_metric_of_each_epoch_is_that_of_the_score(self) -> None:
        from kfine.answers.masks.losses import MaskIoU

        generator = np.random.default_rng(0)
        truth = generator.choice(np.array([0, 1, 255], np.uint8), (3, 4, 4))
        logits = generator.normal(size=(3, 4, 4, 2)).astype(np.float32)
        metric = MaskIoU(2, name="mean_iou")
        metric.update_state(truth[..., None], logits)
        score = MASKS.score(list(logits.argmax(-1).astype(np.uint8)), list(truth))
        assert float(metric.result()) == pytest.approx(score.metrics["mean_iou"], abs=1e-6)

    def test_a_prediction_has_the_size_of_its_image_where_that_is_known(self) -> None:
        finished = MASKS.finish({"mask": np.zeros((2, 4, 4, 2), np.float32)})
        rows = {name: np.asarray(one) for name, one in finished.items()}
        sizes = [(9, 5), (2, 3)]
        known = MASKS.decode(rows, ImagePlaces(Whole.of(2).owner, sizes))
        assert [one.shape for one in known] == sizes
        assert [one.shape for one in MASKS.decode(rows, ImagePlaces.of(2))] == [(4, 4)] * 2

    def test_masks_move_with_their_images(self) -> None:
        from kfine.data.augmentation import augmentation_layers, seeded

        layers = augmentation_layers("strong", flip="both", inside=True)
        augment = seeded(layers, MASKS.moves)
        assert augment is not None
        truth = np.zeros((6, 32, 32, 1), np.float32)
        for index, row in enumerate(truth):
            row[4 + index : 20 + index, 8:17] = 1
        images = np.repeat(255 * truth, 3, axis=-1)
        moved, targets = augment(images, truth, np.array([3, 1], np.int32))
        numbers, bright = np.asarray(targets)[..., 0], np.asarray(moved).mean(-1)
        assert set(np.unique(numbers)) <= {0.0, 1.0}
        assert not np.array_equal(numbers, truth[..., 0])
        middle = (bright.max(axis=(1, 2)) + bright.min(axis=(1, 2)))[:, None, None] / 2
        assert ((bright > middle) == (numbers == 1)).mean() > 0.97


def test_the_iou_of_each_class_is_drawn(tmp_path: Path) -> None:
    from PIL import Image

    score = MASKS.score([grid("01")], [grid("01")])
    MASKS.draw(tmp_path, score)
    with Image.open(tmp_path / "classes.png") as drawn:
        assert drawn.width > 300
