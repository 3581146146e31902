"""The parts of a report: calibration, advice, charts, and what stands in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kfine.answers.confidence import best_temperature, expected_error, with_temperature
from kfine.drawing.pages import render
from kfine.reporting import compose
from kfine.reporting.advice import advice
from kfine.reporting.beside import beside
from kfine.reporting.calibration import calibration
from kfine.reporting.charts import curves, reliability_chart

NAMES = ("cat", "dog", "owl")
PLAIN = SimpleNamespace(augmentation="light")


def drawn(temperature: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities whose logits are `temperature` times too large, and truths drawn from them."""
    random = np.random.default_rng(seed)
    right = with_temperature(random.dirichlet((1, 1, 1), count), 1.0)
    truth = np.array([random.choice(3, p=one) for one in right])
    return with_temperature(right, 1 / temperature), truth


def rows_of(probabilities: np.ndarray, truth: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{place}.png",
            "label": NAMES[label],
            "prediction": NAMES[int(one.argmax())],
            "probability": float(one.max()),
            "probabilities": one.tolist(),
        }
        for place, (one, label) in enumerate(zip(probabilities, truth, strict=True))
    ]


def test_the_error_is_the_distance_of_confidence_and_accuracy() -> None:
    sure = np.array([0.9] * 10 + [0.5] * 10)
    right = np.array([1] * 9 + [0] + [1] * 2 + [0] * 8)
    assert expected_error(sure, right) == pytest.approx((0.0 * 10 + 0.3 * 10) / 20)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_overconfident_logits_is_found(temperature: float) -> None:
    probabilities, truth = drawn(temperature, 4000, 0)
    assert best_temperature(probabilities, truth) == pytest.approx(temperature, rel=0.1)


def test_a_temperature_learned_on_validation_mends_the_test() -> None:
    test, held = rows_of(*drawn(3.0, 2000, 1)), rows_of(*drawn(3.0, 1000, 2))
    found = calibration(test, NAMES, held)
    assert found is not None
    assert found["error"] > 0.1 and found["error_after"] < 0.05
    assert found["thresholds"][0]["kept"] == 1
    kept = [one["kept"] for one in found["thresholds"]]
    assert kept == sorted(kept, reverse=True)
    assert sum(one["count"] for one in found["bins"]) == 2000
    alone = calibration(test, NAMES, None)
    assert alone is not None and alone["temperature"] is None
    assert calibration(test[:5], NAMES, None) is None


def history(losses: list[float], held: list[float], metric: float = 0.9) -> list[dict[str, Any]]:
    return [
        {
            "epoch": n,
            "stage": 1,
            "loss": one,
            "val_loss": two,
            "accuracy": metric,
            "val_accuracy": 0.85,
        }
        for n, (one, two) in enumerate(zip(losses, held, strict=True), 1)
    ]


def test_curves_that_part_are_called_overfitting_with_a_remedy() -> None:
    (said,) = advice(history([1.0, 0.6, 0.3, 0.1], [1.0, 0.8, 0.9, 1.1]), "accuracy", PLAIN)
    assert "validation loss rose from epoch 3" in said and "--augmentation strong" in said
    strong = SimpleNamespace(augmentation="strong")
    (said,) = advice(history([1.0, 0.6, 0.3, 0.1], [1.0, 0.8, 0.9, 1.1]), "accuracy", strong)
    assert "--augmentation" not in said and "--unfreeze none" in said


def test_curves_that_fall_ask_for_more_epochs_and_flat_ones_for_nothing() -> None:
    (said,) = advice(history([1.0, 0.7, 0.5, 0.3], [1.0, 0.8, 0.7, 0.6]), "accuracy", PLAIN)
    assert "--epochs 8" in said
    assert advice(history([0.5] * 5, [0.6] * 5), "accuracy", PLAIN) == []
    (said,) = advice(history([0.1] * 5, [0.6] * 5, metric=1.0), "accuracy", PLAIN)
    assert "more examples are worth more" in said
    assert advice([{"loss": 1.0}] * 5, "accuracy", PLAIN) == []


def test_charts_are_well_formed_and_have_a_text_for_those_who_do_not_see() -> None:
    chart = curves(history([1.0, 0.5, 0.4], [1.0, 0.7, 0.8]), "loss")
    root = ET.fromstring(chart)
    assert root.get("role") == "img" and "from 1 to 0.4 in training" in root.get("aria-label", "")
    lines = [one for one in root if one.tag == "polyline"]
    assert [len(str(one.get("points")).split()) for one in lines] == [3, 3]
    one_epoch = ET.fromstring(curves([{"epoch": 1, "loss": 0.5}], "loss"))
    assert len([one for one in one_epoch if one.tag == "polyline"]) == 1
    bars = ET.fromstring(reliability_chart([{"start": 0.8, "count": 3, "sure": 0.9, "right": 1.0}]))
    assert len([one for one in bars if one.tag == "rect"]) == 1


def test_the_verdict_says_what_chance_may_do() -> None:
    metrics = {
        "primary": "accuracy",
        "count": 240,
        "accuracy": 0.84,
        "accuracy_interval": [0.79, 0.88],
        "gain": {
            "over": "linear_probe",
            "difference": 0.02,
            "interval": [-0.02, 0.06],
            "p_value": 0.2,
        },
    }
    first, second, third = compose.verdict(metrics, [])
    assert "gets 84.0% right" in first and "79.0% to 88.0%" in first
    assert "may be chance" in second and third == "No file for a device was exported yet."
    metrics["gain"] = {**metrics["gain"], "interval": [0.01, 0.06], "p_value": 0.001}  # type: ignore[dict-item]
    assert "more than chance" in compose.verdict(metrics, [])[1]
    metrics["gain"] = {
        **metrics["gain"],
        "difference": -0.1,
        "interval": [-0.2, -0.05],
        "p_value": 1,
    }  # type: ignore[dict-item]
    assert "do not use it" in compose.verdict(metrics, [])[1]


def test_every_cell_of_a_confusion_matrix_can_be_read() -> None:
    metrics = {"confusion_matrix": [[one, 100 - one] for one in range(0, 101, 5)]}
    names = [str(one) for one in range(21)]
    found = compose.confusion(metrics, names)
    assert found is not None
    for cell in (cell for row in found["cells"] for cell in row):
        colour = [int(one) for one in cell["colour"].split(", ")]
        assert compose._contrast(cell["ink"], colour) >= 4.5
    assert compose._contrast("#ffffff", [0, 0, 0]) == pytest.approx(21)


def test_mistakes_are_grouped_by_what_is_taken_for_what() -> None:
    rows = rows_of(*drawn(1.0, 200, 3))
    assert compose.has_confidence(rows)
    pairs = compose.confused(rows)
    counts = [one["count"] for one in pairs]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == sum(one["label"] != one["prediction"] for one in rows)
    sure = [one["probability"] for one in compose.worst(rows)]
    assert sure == sorted(sure, reverse=True)
    assert compose.least_sure(rows)[0]["probability"] == min(one["probability"] for one in rows)
    assert not compose.has_confidence([{"label": ["a"], "prediction": ["b"]}])


def test_two_models_are_compared_on_the_examples_that_both_have() -> None:
    rows = [
        {"name": f"{place}", "label": "cat", "prediction": "cat" if place % 2 else "dog"}
        for place in range(40)
    ]
    better = [{**one, "prediction": "cat"} for one in rows[:30]]
    better[1]["prediction"] = "owl"
    found = beside("other", rows, [*better, {"name": "x", "label": "cat", "prediction": "cat"}])
    assert found is not None
    assert (found["count"], found["gained"]["count"], found["lost"]["count"]) == (30, 15, 1)
    assert found["difference"] == pytest.approx(14 / 30)
    assert found["interval"][0] > 0 and found["said"] == "better by more than chance"
    assert found["lost"]["examples"] == [
        {"name": "1", "label": "cat", "prediction": "cat", "other": "owl"}
    ]
    turned = beside("this", better, rows)
    assert turned is not None and turned["said"] == "worse by more than chance"
    assert turned["interval"] == pytest.approx([-one for one in found["interval"][::-1]])
    same = beside("same", rows, rows)
    assert same is not None and same["said"] == "may be chance" and same["difference"] == 0
    assert beside("none", rows, [{"name": "0", "label": "dog", "prediction": "dog"}]) is None


def test_what_a_page_is_filled_with_is_escaped() -> None:
    found = {
        "source": "<script>alert(1)</script>",
        "recipe": "x",
        "sentences": ["<img src=x onerror=alert(1)>"],
        "classes": {},
        "ranges": {},
        "confused": [],
        "weak": [],
        "matter": [],
        "harm": [],
        "differences": {},
        "left_out": [],
        "data": {"splits": {}, "notes": []},
    }
    page = render("kfine.examination", "page.html", found=found, findings={}, most=3, show=None)
    assert "<script>" not in page and "<img" not in page and "&lt;script&gt;" in page
