"""Which examples calibrate."""

from __future__ import annotations

import numpy as np
import pytest

from kfine.errors import ExportError
from kfine.exporting.measuring.calibration import choose_calibration, representative_indices


def test_every_class_has_its_share() -> None:
    labels = np.repeat([0, 1, 2], [900, 60, 5])
    chosen = representative_indices(labels, count=60)
    assert len(set(chosen.tolist())) == 60
    assert np.bincount(labels[chosen]).tolist() == [28, 27, 5]


def test_a_small_set_is_taken_whole() -> None:
    assert sorted(representative_indices(np.array([0, 1, 1]), count=120)) == [0, 1, 2]


def test_the_choice_follows_from_the_seed() -> None:
    labels = np.arange(1000) % 7
    first, again = (representative_indices(labels, count=50, seed=3) for _ in range(2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != representative_indices(labels, count=50, seed=4).tolist()


def test_what_calibrated_is_recorded_and_comes_back() -> None:
    labels = np.repeat([0, 1, 2], [50, 40, 4])
    one = choose_calibration(labels, ["a", "b", "c"], count=24, seed=7)
    assert one.to_dict() == {
        "split": "train",
        "examples": 24,
        "seed": 7,
        "per_class": {"a": 10, "b": 10, "c": 4},
    }
    again = choose_calibration(labels, ["a", "b", "c"], count=24, seed=7)
    assert one.indices.tolist() == again.indices.tolist()


def test_a_calibration_set_of_one_class_is_an_error() -> None:
    with pytest.raises(ExportError, match=r"two classes or more.*Received: 1 of b"):
        choose_calibration(np.array([1, 1, 1, 1]), ["a", "b"], count=1)
