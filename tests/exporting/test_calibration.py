"""Which examples calibrate."""

from __future__ import annotations

import numpy as np

from kfine.exporting.calibration import representative_indices


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
