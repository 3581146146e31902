"""Data is read again only where a field differs; of a model that is gone nothing stays."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kfine.data.pipeline import gather
from kfine.recipe import load_recipe
from kfine.training.memory import memory_given_back
from kfine.tuning.sharing import Remembered

CONFIG = load_recipe("image_classification").Config(image_size=32)


def test_a_result_is_kept_until_a_field_that_was_read_differs() -> None:
    calls: list[Any] = []

    def read(config: Any) -> list[int]:
        calls.append(config)
        assert isinstance(config, type(CONFIG))
        return [config.image_size]

    data = Remembered(read, room=1)
    first = data(CONFIG)
    assert data(replace(CONFIG, dropout=0.5)) is first
    assert data(replace(CONFIG, image_size=64)) == [64]
    assert data(CONFIG) == [32]
    assert len(calls) == 3


def test_a_function_that_copies_the_config_reads_all_of_it() -> None:
    data = Remembered(lambda config: replace(config, epochs=1), room=1)
    assert data(CONFIG) is not data(replace(CONFIG, dropout=0.5))


def _traced() -> tuple[Any, Any]:
    """A step that was traced on rows from a pipeline: its function and its rows."""

    import tensorflow as tf

    rows = np.ones((4, 3), np.float32)
    weight = tf.Variable(1.0)

    @tf.custom_gradient
    def doubled(value: Any) -> tuple[Any, Any]:
        return 2 * value, lambda upstream: 2 * upstream

    @tf.function
    def step(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(doubled(weight * batch))
        return tape.gradient(loss, weight)

    dataset = tf.data.Dataset.from_tensors([0, 1]).map(lambda chosen: gather(rows, chosen))
    assert [float(step(batch)) for batch in dataset] == [12.0]
    return step, rows


@pytest.mark.keras
def test_traced_functions_and_their_data_are_freed() -> None:
    import tensorflow as tf

    kept_step, _ = _traced()
    with memory_given_back():
        step, rows = _traced()
        graph = step.get_concrete_function(tf.TensorSpec((None, 3))).graph
    watched = [weakref.ref(rows), weakref.ref(graph)]
    del step, rows, graph
    gc.collect()
    assert [one() for one in watched] == [None, None]
    # What was traced before goes on working, its gradient too.
    assert float(kept_step(tf.ones((1, 3)))) == 6.0
    assert float(kept_step(tf.ones((5, 3)))) == 30.0
