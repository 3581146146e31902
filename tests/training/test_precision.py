"""Layers that compute in bfloat16 while they train, and weights that do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.keras_private import flattened

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global compute_in, keras, restore, trunk_key, worthwhile_cut

    import keras

    from kfine.training.frozen import worthwhile_cut
    from kfine.training.precision import compute_in, restore
    from kfine.training.trunk_key import trunk_key


def policies(layers: Any) -> set[str]:
    return {one.dtype_policy.name for layer in layers for one in flattened(layer)}


def test_the_backbone_computes_in_it_and_the_head_and_all_weights_do_not(
    make_job: Callable[..., Any],
) -> None:
    job = make_job(precision="mixed_bfloat16")
    *backbone, head = job.groups
    assert policies(layer for group in backbone for layer in group.layers) == {"mixed_bfloat16"}
    assert policies(head.layers) == {"float32"}
    assert {one.dtype for one in job.model.trainable_variables} == {"float32"}
    x = job.batches.largest(4)[0]
    low = job.model(x, training=False)
    assert low.dtype == "float32"
    restore([job.model])
    assert policies([job.model]) == {"float32"}
    high = job.model(x, training=False)
    assert not np.array_equal(low, high), "it was computed otherwise"
    np.testing.assert_allclose(low, high, atol=0.05 * float(np.abs(high).max()))


def test_a_softmax_stays_in_float32(make_job: Callable[..., Any]) -> None:
    """Inside attention too."""
    given = keras.Input((3, 4))
    x = keras.layers.MultiHeadAttention(2, 2, name="attention")(given, given)
    model = keras.Model(given, keras.layers.Dense(2, name="head")(x))
    from kfine.models.groups import LayerGroup

    attention, head = model.layers[1], model.layers[2]
    compute_in([LayerGroup("a", (attention,)), LayerGroup("head", (head,))], "mixed_bfloat16")
    found = {type(one).__name__: one.dtype_policy.name for one in flattened(attention)}
    assert found["Softmax"] == "float32"
    assert found["MultiHeadAttention"] == found["EinsumDense"] == "mixed_bfloat16"


def test_features_of_another_precision_are_not_taken_from_the_cache(
    make_job: Callable[..., Any],
) -> None:
    keys = set()
    for precision in ("float32", "mixed_bfloat16"):
        job = make_job(precision=precision)
        keys.add(trunk_key(worthwhile_cut(job.model, job.groups, 1), {"input": job.input}))
    assert len(keys) == 2


@pytest.mark.slow
def test_a_run_leaves_a_float32_model_that_learned_as_much(
    tiny_settings: dict[str, Any], tmp_path: Path, fresh_cache: Path
) -> None:
    runs = [
        kfine.fit(
            "image_classification",
            run_dir=tmp_path / precision,
            console=QUIET,
            **{**tiny_settings, "precision": precision, "accumulate": 2},
        )
        for precision in ("float32", "mixed_bfloat16")
    ]
    assert policies([runs[1].model]) == {"float32"}
    high, low = (run.history[-1]["loss"] for run in runs)
    assert low != high
    assert low == pytest.approx(high, rel=0.1)
    photos = sorted(Path(tiny_settings["data"]).rglob("*.png"))[:20]
    same = [
        one.label == other.label
        for one, other in zip(*(run.predict(photos) for run in runs), strict=True)
    ]
    assert sum(same) >= 18
