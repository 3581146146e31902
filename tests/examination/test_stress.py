"""How a model fares on changed examples, in figures and in a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine.answers.classes import Classes
from kfine.examination.stress import add_base, changed_scores, unfamiliar_scores, what_to_fear
from kfine.inputs.image.changes import CHANGES
from kfine.inputs.image.examiner import ImageExaminer

ANSWER = Classes(("dark", "light"))


def by_brightness(images: list[Any]) -> list[np.ndarray]:
    """A classifier that looks at the mean alone."""
    shares = [float(one.mean()) / 255 for one in images]
    return [np.array([1 - share, share]) for share in shares]


@pytest.fixture(scope="module")
def images() -> tuple[list[np.ndarray], list[str]]:
    random = np.random.default_rng(0)
    labels = [ANSWER.names[number % 2] for number in range(20)]
    levels = {"dark": 90, "light": 165}
    return [
        np.clip(random.normal(levels[one], 10, (24, 24, 3)), 0, 255).astype(np.uint8)
        for one in labels
    ], labels


def test_a_model_that_looks_at_brightness_fears_the_dark(
    images: tuple[list[np.ndarray], list[str]],
) -> None:
    shown, labels = images
    seen: list[tuple[int, int]] = []
    changes = changed_scores(
        by_brightness, ANSWER, CHANGES, shown, labels, 0, lambda *one: seen.append(one)
    )
    assert seen[-1] == (30, 30)
    steps = {one["name"]: [step["accuracy"] for step in one["steps"]] for one in changes}
    assert steps["turned"] == steps["noise"] == [1.0, 1.0, 1.0]
    assert steps["dark"][0] == 0.5, "one stop less light makes all of them dark"
    found = {
        "primary": "accuracy",
        "direction": "max",
        "scale": 1.0,
        "unchanged": 1.0,
        "changes": changes,
    }
    sentence = what_to_fear(found)
    assert sentence.startswith("fear most: dark (-1 stops): accuracy 0.500, unchanged 1.000")
    assert "already the weakest step costs something: dark" in sentence
    calm = [one for one in changes if one["name"] in ("turned", "noise")]
    assert what_to_fear({**found, "changes": calm}).startswith(
        "none of these changes moves accuracy"
    )


def test_confidence_tells_what_is_unfamiliar(images: tuple[list[np.ndarray], list[str]]) -> None:
    shown, _ = images
    examiner = ImageExaminer()
    sure = np.full(len(shown), 0.9)
    for other, area in ((0.6, 1.0), (0.9, 0.5), (0.99, 0.0)):
        found = unfamiliar_scores(
            lambda some, other=other: [np.array([other, 1 - other])] * len(some),  # type: ignore[misc]
            examiner,
            shown,
            sure,
            0,
        )
        assert {one["name"] for one in found} == {"noise", "one colour", "scrambled"}
        assert all(one["auroc"] == area and one["sure"] == pytest.approx(other) for one in found)


class Unmoved:
    """A base that says what it said of the examples as they are, but for one."""

    def __init__(self) -> None:
        self.seen: list[list[np.ndarray]] = []

    def see(self, examples: list[Any]) -> None:
        self.seen.append(by_brightness(examples))

    def predictions(self) -> list[list[np.ndarray]]:
        first = self.seen[0]
        return [first, *([[1 - first[0], *first[1:]]] * (len(self.seen) - 1))]


def test_what_tuning_made_frailer_is_said(images: tuple[list[np.ndarray], list[str]]) -> None:
    shown, labels = images
    base = Unmoved()
    base.see(shown)
    changes = changed_scores(
        by_brightness, ANSWER, CHANGES, shown, labels, 0, lambda *_: None, base
    )
    found: dict[str, Any] = {
        "primary": "accuracy",
        "direction": "max",
        "scale": 1.0,
        "unchanged": 1.0,
        "changes": changes,
    }
    add_base(found, ANSWER, base, labels)
    assert len(base.seen) == 31
    assert found["base"]["unchanged"] == 1.0
    steps = [step for one in changes for step in one["steps"]]
    assert all(step["base"] == pytest.approx(0.95) for step in steps)
    lost = float(np.mean([1 - step["accuracy"] for step in steps]))
    words = found["base"]["words"]
    assert f"cost the model {lost:.3f} of its accuracy, and 0.050" in words
    assert "frailer by: " in words and "dark" in words and "turned" not in words


def test_other_data_is_tried_too_and_energy_may_tell_what_confidence_does_not(
    images: tuple[list[np.ndarray], list[str]],
) -> None:
    shown, _ = images
    sure = np.full(len(shown), 0.9)
    found = unfamiliar_scores(
        lambda some: [np.array([0.9, 0.1])] * len(some),
        ImageExaminer(),
        shown,
        sure,
        0,
        {"cats": [np.zeros_like(one) for one in shown[:5]]},
        lambda some: np.array([float(one.mean()) for one in some]),
    )
    cats = next(one for one in found if one["name"] == "cats")
    assert (cats["auroc"], cats["energy_auroc"]) == (0.5, 1.0)
    assert len(found) == 4
