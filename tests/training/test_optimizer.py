"""Discriminative rates and a fresh start for each unfreezing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kfine.models.groups import LayerGroup

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global StagedAdamW, group_factors, keras, make_optimizer, tf

    import keras
    import tensorflow as tf

    from kfine.training.optimizer import StagedAdamW, group_factors, make_optimizer


def group(name: str) -> tuple[LayerGroup, keras.layers.Dense]:
    layer = keras.layers.Dense(1, name=name)
    layer.build((None, 1))
    layer.kernel.assign([[1.0]])
    return LayerGroup(name, (layer,)), layer


def staged(factors: list[float], **options: float) -> tuple[StagedAdamW, list[keras.Variable]]:
    groups, layers = zip(*(group(f"g{i}") for i in range(len(factors))), strict=True)
    optimizer = StagedAdamW(0.01, **options)
    optimizer.set_groups(groups, factors)
    kernels = [layer.kernel for layer in layers]
    optimizer.build(kernels)
    optimizer.start_groups([one.name for one in groups])
    return optimizer, kernels


def step(optimizer: StagedAdamW, variables: list[keras.Variable], gradient: float = 1.0) -> list:
    before = [float(v.numpy()[0, 0]) for v in variables]
    optimizer.apply([np.full((1, 1), gradient, "float32") for _ in variables], variables)
    return [old - float(v.numpy()[0, 0]) for old, v in zip(before, variables, strict=True)]


def test_each_group_steps_at_its_share_of_the_rate() -> None:
    optimizer, kernels = staged([0.25, 1.0], weight_decay=0.0)
    assert step(optimizer, kernels) == pytest.approx([0.0025, 0.01], rel=1e-4)


def test_weight_decay_follows_the_rate_of_the_group() -> None:
    optimizer, kernels = staged([0.25, 1.0], weight_decay=0.5)
    assert step(optimizer, kernels, gradient=0.0) == pytest.approx([0.00125, 0.005], rel=1e-4)


def test_pretrained_groups_are_pulled_back_to_where_they_began() -> None:
    optimizer, kernels = staged([0.25, 1.0], weight_decay=0.5)
    group_of = LayerGroup("g0", (SimpleNamespace(weights=[kernels[0]]),))
    optimizer.pull_back([group_of], 8.0)
    assert step(optimizer, kernels, gradient=0.0) == pytest.approx([0, 0.005], abs=1e-6)
    kernels[0].assign([[3.0]])
    # Of the way of 2: the rate 0.01, the share of the group 0.25, the decay 8.
    assert step(optimizer, kernels, gradient=0.0)[0] == pytest.approx(2 * 0.01 * 0.25 * 8, rel=1e-4)
    optimizer.pull_back([group_of], 0.0)
    assert step(optimizer, kernels, gradient=0.0)[0] > 0.003, "toward zero again"


def test_with_factors_of_one_it_is_keras_adamw() -> None:
    optimizer, kernels = staged([1.0, 1.0], weight_decay=0.1)
    plain, (_, layer) = keras.optimizers.AdamW(0.01, weight_decay=0.1), group("plain")
    plain.build([layer.kernel])
    for index in range(5):
        step(optimizer, kernels, gradient=0.3 + index)
        plain.apply([np.full((1, 1), 0.3 + index, "float32")], [layer.kernel])
    np.testing.assert_allclose(kernels[0].numpy(), layer.kernel.numpy(), rtol=1e-6)


def test_a_late_group_takes_its_first_step_at_the_learning_rate() -> None:
    optimizer, (late, early) = staged([1.0, 1.0], weight_decay=0.0)
    optimizer.start_groups(["g1"])
    for _ in range(1000):
        step(optimizer, [early])
    optimizer.start_groups(["g0", "g1"])
    first, ongoing = step(optimizer, [late, early])
    assert first == pytest.approx(0.01, rel=1e-3)
    assert ongoing == pytest.approx(0.01, rel=1e-3)


def test_keras_adamw_would_take_a_first_step_that_is_too_long() -> None:
    """The fact of the stack that the offsets are there for."""
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.0)
    (_, late), (_, early) = group("late"), group("early")
    optimizer.build([late.kernel, early.kernel])
    for _ in range(1000):
        optimizer.apply([np.ones((1, 1), "float32")], [early.kernel])
    before = float(late.kernel.numpy()[0, 0])
    optimizer.apply([np.ones((1, 1), "float32")] * 2, [late.kernel, early.kernel])
    assert before - float(late.kernel.numpy()[0, 0]) > 0.02


def test_rates_fall_toward_the_input() -> None:
    assert group_factors(4, 0.1, 0.5) == pytest.approx([0.025, 0.05, 0.1, 1.0])


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    groups = [group("a")[0], group("b")[0]]
    optimizer = make_optimizer(
        groups,
        learning_rate=0.1,
        total_steps=100,
        warmup_steps=10,
        factors=[1.0, 1.0],
        weight_decay=0.0,
        start_decay=0.0,
        clip_norm=1.0,
        ema=0.0,
    )
    schedule = optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 5, 10, 55, 100)]
    assert rates == pytest.approx([0.01, 0.055, 0.1, 0.05, 0.0], abs=1e-6)


def test_a_backbone_that_is_pulled_back_stays_nearer_to_its_preset(
    tiny_settings: dict[str, Any], tiny_preset: str, tmp_path: Path
) -> None:
    import keras_hub

    import kfine
    from kfine.console import Console

    preset = keras_hub.models.Backbone.from_preset(tiny_preset).get_weights()
    asked = {**tiny_settings, "unfreeze": "all", "tuned_share": 1, "backbone_rate": 1}
    moved = []
    for decay in (0, 100):
        path = tmp_path / str(decay)
        quiet = Console(quiet=True)
        run = kfine.fit(
            "image_classification", run_dir=path, console=quiet, start_decay=decay, **asked
        )
        pairs = zip(run.model.backbone.get_weights(), preset, strict=True)
        moved.append(sum(float(((now - then) ** 2).sum()) for now, then in pairs))
    assert 0 < moved[1] < 0.5 * moved[0]


def test_gradients_of_an_embedding_are_clipped_by_the_norm_of_their_sums() -> None:
    """A row that is looked up twice has two slices, whose sum is its gradient."""
    layer = keras.layers.Embedding(3, 1)
    layer.build()
    layer.embeddings.assign([[1.0], [1.0], [1.0]])
    optimizer = StagedAdamW(0.01, weight_decay=0.0, global_clipnorm=1.0, epsilon=1.0)
    optimizer.build([layer.embeddings])
    slices = tf.IndexedSlices(tf.constant([[3.0], [3.0]]), tf.constant([1, 1]), tf.constant([3, 1]))
    optimizer.apply([slices], [layer.embeddings])
    # Clipped to 1, which is what the first moments of Adam are then of, before its correction.
    root = (1 - optimizer.beta_2) ** 0.5
    moved = 1 - 0.01 * root / (root + 1)
    np.testing.assert_allclose(layer.embeddings.numpy()[:, 0], [1, moved, 1], atol=1e-6)
