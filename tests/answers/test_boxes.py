"""Boxes: what is learned of them, how one is chosen of those that overlap, and how they score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kfine.answers import load_answer
from kfine.answers.boxes import Boxes
from kfine.answers.boxes.objects import MOST, Boxed, Detections
from kfine.inputs.places import ImagePlaces

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global keras, tf, boxes_of, places_of, scores_of, BoxLoss, BoxPrecision, suppressed
    import keras
    import tensorflow as tf

    from kfine.answers.boxes.grid import boxes_of, places_of, scores_of
    from kfine.answers.boxes.losses import BoxLoss
    from kfine.answers.boxes.metrics import BoxPrecision
    from kfine.answers.boxes.suppression import suppressed


NAMES = ("bolt", "nut", "washer")
LEVELS = ((8, 8), (4, 4), (2, 2))
SIZE = (64, 64)
ANSWER = Boxes(NAMES, SIZE, LEVELS)


def scenes(count: int, seed: int = 0, noise: float = 0.03) -> tuple[list[Detections], list[Boxed]]:
    """Objects of all sizes in images of 200 x 300 pixels, and what a middling detector finds."""
    chance = np.random.default_rng(seed)
    found, labels = [], []
    for _ in range(count):
        many = int(chance.integers(0, 9))
        corner = chance.uniform(0, 0.7, (many, 2))
        side = chance.uniform(0.03, 0.6, (many, 2))
        boxes = np.concatenate([corner, np.minimum(corner + side, 1)], axis=1)
        kinds = chance.integers(0, len(NAMES), many)
        pixels = boxes * [300, 200, 300, 200]
        rows = tuple(tuple(map(float, one)) for one in pixels)
        labels.append(Boxed(rows, tuple(NAMES[one] for one in kinds), (200, 300)))  # type: ignore[arg-type]
        seen = chance.uniform(size=many) < 0.8
        stray = chance.uniform(0, 1, (int(chance.integers(0, 4)), 4))
        stray[:, 2:] = np.maximum(stray[:, 2:], stray[:, :2] + 0.02)
        mine = np.clip(boxes[seen] + chance.normal(0, noise, (int(seen.sum()), 4)), 0, 1)
        every = np.concatenate([mine, stray]).astype(np.float32)
        every[:, 2:] = np.maximum(every[:, 2:], every[:, :2] + 0.01)
        swapped = chance.integers(0, len(NAMES), len(every))
        kind = np.concatenate([kinds[seen], swapped[: len(stray)]])
        kind = np.where(chance.uniform(size=len(kind)) < 0.1, swapped, kind)
        # No two are alike, so that no order of equals is asked for.
        scores = chance.uniform(0.05, 1, len(every)).astype(np.float32)
        order = np.argsort(-scores)
        found.append(Detections(every[order], kind[order], scores[order], (200, 300)))
    return found, labels


def coco_figures(found: list[Detections], labels: list[Boxed]) -> list[float]:
    from faster_coco_eval import COCO, COCOeval_faster

    truth: dict[str, Any] = {
        "images": [
            {"id": number + 1, "height": one.size[0], "width": one.size[1]}
            for number, one in enumerate(labels)
        ],
        "categories": [{"id": place + 1, "name": name} for place, name in enumerate(NAMES)],
        "annotations": [],
    }
    said = []
    for number, (detections, label) in enumerate(zip(found, labels, strict=True)):
        scale = np.array([label.size[1], label.size[0]] * 2, np.float32)
        for name, box in zip(label.classes, label.relative * scale, strict=True):
            left, top, right, bottom = map(float, box)
            sides = [left, top, right - left, bottom - top]
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": number + 1,
                    "category_id": NAMES.index(name) + 1,
                    "bbox": sides,
                    "area": sides[2] * sides[3],
                    "iscrowd": 0,
                }
            )
        rows = zip(detections.boxes * scale, detections.classes, detections.scores, strict=True)
        for box, kind, score in rows:
            left, top, right, bottom = map(float, box)
            said.append(
                {
                    "image_id": number + 1,
                    "category_id": int(kind) + 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "score": float(score),
                }
            )
    coco = COCO(truth)
    judged = COCOeval_faster(coco, coco.loadRes(said), "bbox", print_function=lambda *_: None)
    judged.evaluate()
    judged.accumulate()
    judged.summarize()
    return [float(one) for one in judged.stats[:6]]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_average_precision_is_that_of_coco(seed: int) -> None:
    found, labels = scenes(60, seed)
    score = ANSWER.score(found, labels)
    every, at_half, _, small, medium, large = coco_figures(found, labels)
    assert 0.1 < every < 0.9
    assert score.metrics["map"] == pytest.approx(every, abs=1e-6)
    assert score.metrics["map50"] == pytest.approx(at_half, abs=1e-6)
    sizes = {name: one["map"] for name, one in score.tables["by_area"].items()}
    assert sizes == pytest.approx({"small": small, "medium": medium, "large": large}, abs=1e-6)


def test_images_drawn_again_count_as_often_as_they_are_drawn() -> None:
    found, labels = scenes(12)
    rows = np.array([0, 0, 3, 5, 5, 5, 11])
    again = ANSWER.score([found[one] for one in rows], [labels[one] for one in rows])
    resample = ANSWER.score(found, labels).resample
    assert resample is not None
    assert resample(rows) == pytest.approx(again.metrics["map"], abs=0.01)
    assert resample(np.arange(12)) == ANSWER.score(found, labels).metrics["map"]


def test_what_is_found_is_counted_by_class_and_with_the_background() -> None:
    label = Boxed(((0, 0, 100, 100), (150, 50, 250, 150)), ("bolt", "nut"), (200, 300))
    boxes = np.array([[0, 0, 1 / 3, 0.5], [0.5, 0.25, 5 / 6, 0.75], [0.8, 0.8, 1, 1]], np.float32)
    said = Detections(boxes, np.array([0, 2, 1]), np.array([0.9, 0.8, 0.7], np.float32))
    nothing = Boxed((), (), (10, 10))
    none = Detections(boxes[:0], said.classes[:0], said.scores[:0])
    score = ANSWER.score([said, none], [label, nothing])
    matrix = score.tables["confusion_with_background"]
    assert matrix == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert score.each.tolist() == pytest.approx([2 / 5, 1])
    assert (score.metrics["precision"], score.metrics["recall"]) == pytest.approx((1 / 3, 1 / 2))
    rows = score.tables["per_class"]
    assert (rows["bolt"]["map"], rows["nut"]["map"], rows["washer"]["map"]) == (1.0, 0.0, None)
    assert score.metrics["map50"] == pytest.approx(0.5)


def test_a_label_in_the_place_of_a_prediction_is_right_altogether() -> None:
    _, labels = scenes(8)
    score = ANSWER.score(labels, labels)
    assert score.metrics["map"] == pytest.approx(1)
    assert score.right.all()
    settled = [ANSWER.settle(ANSWER._detections(one)) for one in labels]
    assert ANSWER.score(settled, labels).metrics["map50"] == pytest.approx(1)


def outputs_for(labels: list[Boxed], sure: float = 6.0) -> np.ndarray:
    """What a perfect network gives: at one place of each object its box and class."""
    corners, steps = places_of(SIZE, LEVELS)
    found = np.zeros((len(labels), len(corners), 5 + len(NAMES)), np.float32)
    found[..., 4:] = -sure
    for row, label in enumerate(labels):
        for name, box in zip(label.classes, label.relative * 64, strict=True):
            middle, side = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
            place = int(np.argmin(np.abs(corners + steps / 2 - middle).sum(axis=1)))
            found[row, place, :2] = (middle - corners[place]) / steps[place]
            found[row, place, 2:4] = np.log(side / steps[place])
            found[row, place, 4] = found[row, place, 5 + NAMES.index(name)] = sure
    return found


def apart() -> list[Boxed]:
    """Objects that do not meet."""
    one = Boxed(((2, 3, 20, 30), (30, 30, 62, 60)), ("bolt", "washer"), SIZE)
    return [one, Boxed((), (), SIZE), Boxed(((10, 10, 34, 30),), ("nut",), SIZE)]


def test_outputs_become_boxes_and_the_answer_reads_them_in_any_number() -> None:
    labels = apart()
    outputs = outputs_for(labels)
    together = ANSWER.finish({"objects": outputs})
    found = ANSWER.decode(
        {name: np.asarray(one) for name, one in together.items()},
        ImagePlaces(np.arange(3), [(128, 64)] * 3),
    )
    for row, (one, label) in enumerate(zip(found, labels, strict=True)):
        assert sorted(NAMES[kind] for kind in one.classes) == sorted(label.classes)
        alone = ANSWER.finish({"objects": tf.constant(outputs[row : row + 1])})
        for name, value in together.items():
            np.testing.assert_allclose(alone[name][0], value[row], atol=1e-6)
    np.testing.assert_allclose(
        found[2].boxes, labels[2].relative, atol=1e-5, err_msg="the box of the one object"
    )
    described = ANSWER.describe(found[2])[0]
    sides = [described[side] for side in ("left", "top", "right", "bottom")]
    assert sides == pytest.approx([10, 20, 34, 60], abs=0.1)


def test_of_boxes_that_overlap_the_surest_of_each_class_is_kept_by_both_ways() -> None:
    chance = np.random.default_rng(0)
    corner = chance.uniform(0, 0.5, (4, 300, 2))
    boxes = np.concatenate([corner, corner + chance.uniform(0.1, 0.4, (4, 300, 2))], axis=-1)
    scores = chance.uniform(0, 1, (4, 300, 3)) ** 8
    boxes, scores = (tf.constant(one, tf.float32) for one in (boxes, scores))
    together = suppressed(boxes, scores)
    assert 10 < int(np.min(together[3])) <= MOST
    for row in range(4):
        alone = suppressed(boxes[row : row + 1], scores[row : row + 1])
        for one, every in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], every[row], atol=1e-6)


def test_the_loss_falls_with_the_right_boxes_and_moves_the_wrong_ones() -> None:
    labels = apart()
    rows = ANSWER.encode(labels, ImagePlaces.of(3)).rows["objects"]
    assert rows["boxes"].shape == (3, 2, 4)
    assert rows["labels"].tolist() == [[0, 2], [-1, -1], [1, -1]]
    truth = ANSWER.target({name: tf.constant(one) for name, one in rows.items()})
    loss = BoxLoss(SIZE, LEVELS)
    right = outputs_for(labels)
    start = np.zeros_like(right)
    start[..., 4:] = -4.6
    assert float(loss(truth, right)) < 0.7 * float(loss(truth, start))
    again = BoxLoss.from_config(loss.get_config())
    assert float(again(truth, start)) == float(loss(truth, start))
    value = tf.Variable(start)
    optimizer = keras.optimizers.Adam(0.1)
    for _ in range(80):
        with tf.GradientTape() as tape:
            now = loss(truth, value)
        optimizer.apply([tape.gradient(now, value)], [value])
    finished = {name: np.asarray(one) for name, one in ANSWER.finish({"objects": value}).items()}
    score = ANSWER.score(ANSWER.decode(finished, ImagePlaces.of(3)), labels)
    assert score.metrics["map50"] == pytest.approx(1)


def test_a_place_answers_for_one_object_at_most_and_each_object_has_one() -> None:
    close = Boxed(((20, 20, 40, 40), (22, 21, 41, 40), (0, 0, 64, 64)), ("bolt",) * 3, SIZE)
    rows = ANSWER.encode([close], ImagePlaces.of(1)).rows["objects"]
    truth = ANSWER.target({name: tf.constant(one) for name, one in rows.items()})
    outputs = tf.zeros((1, 84, 8))
    loss = BoxLoss(SIZE, LEVELS)
    boxes, there = truth[..., :4], truth[..., 4] >= 0
    from kfine.answers.boxes.grid import overlaps_of

    overlap = overlaps_of(boxes_of(outputs, SIZE, LEVELS), boxes)
    classes = tf.one_hot(tf.cast(truth[..., 4], "int32"), 3)
    chosen = np.asarray(loss._chosen(boxes, there, classes, overlap, outputs))
    assert chosen.sum(axis=2).max() == 1
    assert (chosen.sum(axis=1) >= 1).all()


def test_precision_of_an_epoch_comes_near_to_that_of_an_evaluation() -> None:
    labels = apart() * 4
    chance = np.random.default_rng(0)
    outputs = outputs_for(labels, 2.0) + chance.normal(0, 0.2, (12, 84, 8)).astype(np.float32)
    rows = ANSWER.encode(labels, ImagePlaces.of(12)).rows["objects"]
    truth = ANSWER.target({name: tf.constant(one) for name, one in rows.items()})
    metric = BoxPrecision(3, SIZE, LEVELS)
    for first in range(0, 12, 4):
        metric.update_state(truth[first : first + 4], outputs[first : first + 4])
    finished = {name: np.asarray(one) for name, one in ANSWER.finish({"objects": outputs}).items()}
    exact = ANSWER.score(ANSWER.decode(finished, ImagePlaces.of(12)), labels).metrics["map"]
    assert 0.2 < exact < 0.95
    assert float(metric.result()) == pytest.approx(exact, abs=0.05)
    metric.reset_state()
    assert float(metric.result()) == 0
    assert BoxPrecision.from_config(metric.get_config()).levels == LEVELS


def test_scores_are_those_of_something_and_its_class() -> None:
    outputs = tf.constant([[[0, 0, 0, 0, 0.0, 2.0, -2.0, 0.0]]])
    np.testing.assert_allclose(
        scores_of(outputs)[0, 0], 0.5 / (1 + np.exp(-np.array([2.0, -2.0, 0.0]))), rtol=1e-6
    )


def test_an_answer_is_read_back_and_damage_is_noticed() -> None:
    assert Boxes.load(ANSWER.to_dict()) == ANSWER
    with pytest.raises(ValueError, match="no size"):
        Boxes.load({**ANSWER.to_dict(), "levels": [[0, 3]]})
    with pytest.raises(KeyError):
        Boxes.load({"names": list(NAMES)})


def test_boxes_are_drawn_in_their_colours(tmp_path: Path) -> None:
    label = apart()[0]
    image = np.full((64, 64, 3), 90, np.uint8)
    drawn = ANSWER.drawn(image, label)
    colours = dict(ANSWER.legend())
    assert tuple(drawn[15, 2]) == colours["bolt"]
    assert tuple(drawn[45, 30]) == colours["washer"]
    assert tuple(drawn[15, 25]) == (90, 90, 90)
    said = Detections(label.relative, np.array([0, 2]), np.array([0.9, 0.2], np.float32), SIZE)
    ANSWER.write_drawn(tmp_path, "scene", image, said)
    written = np.asarray(Image.open(tmp_path / "scene.png"))
    assert tuple(written[25, 2]) == colours["bolt"]
    # What is not sure enough is not drawn.
    assert tuple(written[45, 30]) == (90, 90, 90)


def test_validation_chooses_the_threshold_with_the_best_f1() -> None:
    found, labels = scenes(60)
    (chosen,) = ANSWER.choose(found, labels).values()
    by_hand = {
        value: load_answer({**ANSWER.to_dict(), "threshold": value})
        .score(found, labels)
        .metrics["f1"]
        for value in np.arange(5, 96, 5) / 100
    }
    mine = load_answer({**ANSWER.to_dict(), "threshold": chosen}).score(found, labels)
    assert mine.metrics["f1"] >= max(by_hand.values()) - 0.01
    assert mine.tables["threshold"] == chosen
    # What counts is what lies above it.
    again = load_answer({**ANSWER.to_dict(), "threshold": chosen})
    assert len(again.describe(found[0])) == int((found[0].scores >= chosen).sum())


def test_few_objects_choose_no_threshold() -> None:
    found, labels = scenes(2)
    assert ANSWER.choose(found, labels) == {}
