"""Which examples calibrate."""

from __future__ import annotations

from typing import Any

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


def test_layers_whose_error_exceeds_half_a_step_are_named() -> None:
    from kfine.exporting.convert import imprecise_layers

    class Statistics:
        """What TensorFlow's quantization debugger writes, for two layers."""

        def layer_statistics_dump(self, file: Any) -> None:
            file.write("tensor_name,scale,mean_squared_error\nstem,0.02,0.0025\nhead,0.1,0.0009\n")

    assert imprecise_layers(Statistics()) == ["stem"]
