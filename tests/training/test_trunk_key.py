"""Equal keys mean equal features: whatever changes a feature changes the key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.models.groups import layer_groups
from kfine.training.freezing import apply_stage

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global cut_model, keras, trunk_key

    import keras

    from kfine.models.cutting import cut_model
    from kfine.training.trunk_key import trunk_key


PREPROCESSING = {"image_size": [32, 32], "scale": [1 / 127.5], "offset": [-1.0]}


def key_of(model: Any, depth: int = 0, inputs: Any = None) -> str:
    return trunk_key(cut_model(model, layer_groups(model), depth), inputs or PREPROCESSING)


@pytest.fixture(scope="module")
def load(tiny_preset: str) -> Callable[..., Any]:
    """`load(classes)` loads the tiny classifier; its layers get other names each time."""
    from keras_hub.models import ImageClassifier

    return lambda classes=3: ImageClassifier.from_preset(tiny_preset, num_classes=classes)


def test_another_head_has_the_same_key(load: Callable[..., Any]) -> None:
    task = load()
    before = key_of(task)
    assert key_of(load(7)) == before
    for variable in layer_groups(task)[-1].weights:
        variable.assign(variable + 1)
    assert key_of(task) == before


def test_a_weight_of_the_trunk_changes_the_key_and_one_of_the_suffix_does_not(
    load: Callable[..., Any],
) -> None:
    task = load()
    groups = layer_groups(task)
    kernel = next(one for one in groups[3].weights if one.path.endswith("kernel"))
    above, below = (len(groups) - 2 - index for index in (2, 3))
    keys = [key_of(task, depth) for depth in (above, below)]
    changed = kernel.numpy()
    changed.flat[7] += 1e-6
    kernel.assign(changed)
    assert key_of(task, above) == keys[0]
    assert key_of(task, below) != keys[1]


def test_moving_statistics_of_the_trunk_change_the_key(load: Callable[..., Any]) -> None:
    task = load()
    before = key_of(task)
    statistic = next(one for one in task.weights if one.path.endswith("moving_mean"))
    statistic.assign(statistic + 1e-3)
    assert key_of(task) != before


def test_each_cut_has_its_own_key(load: Callable[..., Any]) -> None:
    task = load()
    depths = range(len(layer_groups(task)) - 1)
    assert len({key_of(task, depth) for depth in depths}) == len(depths)


@pytest.mark.parametrize(
    ("name", "value"), [("image_size", [40, 40]), ("scale", [1 / 255]), ("offset", [-0.9])]
)
def test_each_setting_of_the_preprocessing_changes_the_key(name: str, value: Any) -> None:
    model = sequential()
    assert key_of(model, inputs={**PREPROCESSING, name: value}) != key_of(model)
    assert key_of(model, inputs=dict(reversed(PREPROCESSING.items()))) == key_of(model)


def test_what_trains_and_what_is_pinned_to_inference_does_not_change_the_key(
    load: Callable[..., Any],
) -> None:
    task = load()
    before = key_of(task)
    apply_stage(task, layer_groups(task), 0)
    assert key_of(task) == before
    apply_stage(task, layer_groups(task), 2)
    assert key_of(task) == before


def sequential(*layers: Any, **options: Any) -> Any:
    """Dense layers with given weights, and other layers below them."""
    dense = [keras.layers.Dense(4, **options), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *layers, *dense])
    for variable in model.trainable_variables:
        variable.assign(np.arange(np.prod(variable.shape)).reshape(variable.shape) / 10)
    return model


def test_names_that_keras_counts_up_do_not_change_the_key() -> None:
    first, second = sequential(), sequential()
    assert [one.name for one in first.layers] != [one.name for one in second.layers]
    assert key_of(first) == key_of(second)


@pytest.mark.parametrize(
    "changed",
    [
        lambda: sequential(activation="relu"),
        lambda: sequential(keras.layers.Rescaling(0.5)),
        lambda: sequential(keras.layers.Rescaling(2.0)),
        lambda: sequential(keras.layers.Lambda(lambda x: x + 1)),
        lambda: sequential(keras.layers.Lambda(lambda x: x + 2)),
        lambda: sequential(dtype="mixed_float16"),
        lambda: sequential(use_bias=False),
    ],
    ids=["activation", "half", "double", "plus one", "plus two", "compute dtype", "no bias"],
)
def test_what_a_layer_computes_is_in_the_key(changed: Callable[[], Any]) -> None:
    others = [sequential(), sequential(keras.layers.Rescaling(0.25))]
    assert key_of(changed()) == key_of(changed())
    assert key_of(changed()) not in [key_of(one) for one in others]


def test_every_one_of_these_differs_from_the_others() -> None:
    scaled = [key_of(sequential(keras.layers.Rescaling(scale))) for scale in (0.5, 2.0)]
    added = [key_of(sequential(keras.layers.Lambda(lambda x, by=by: x + by))) for by in (1.0, 2.0)]
    assert len({*scaled, *added}) == 4


def between(operation: Callable[[Any, Any], Any]) -> Any:
    """A model whose trunk applies an operation to two inputs."""
    keras.utils.set_random_seed(0)
    first, second = keras.Input((4,)), keras.Input((4,))
    low = keras.layers.Dense(4)(operation(first, second))
    return keras.Model([first, second], keras.layers.Dense(2)(keras.layers.Dense(3)(low)))


def test_how_the_layers_are_connected_is_in_the_key() -> None:
    models = [
        between(lambda first, second: first - second),
        between(lambda first, second: second - first),
        between(lambda first, second: first[:, ::-1] - second),
        between(lambda first, second: keras.ops.roll(first, 1, axis=1) - second),
        between(lambda first, second: keras.ops.roll(first, 2, axis=1) - second),
    ]
    assert len({key_of(model) for model in models}) == len(models)


def test_a_constant_too_long_to_print_is_in_the_key() -> None:
    def with_table(changed_at: int | None) -> Any:
        table = np.zeros((4, 4000), np.float32)
        if changed_at is not None:
            table[2, changed_at] = 1.0
        return between(lambda first, second: keras.ops.matmul(first, table)[:, 1998:2002] - second)

    keys = [key_of(with_table(column)) for column in (None, 2000, 2001)]
    assert len(set(keys)) == 3
    assert key_of(with_table(2000)) == keys[1]


OWN_LAYER = """
import keras
class Own(keras.layers.Layer):
    def call(self, inputs):
        return inputs * {factor}
"""


def test_the_code_of_other_peoples_layers_is_in_the_key(tmp_path: Path) -> None:
    import importlib.util

    def own(factor: int) -> Any:
        path = tmp_path / f"own_{factor}.py"
        path.write_text(OWN_LAYER.format(factor=factor))
        spec = importlib.util.spec_from_file_location("own", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["own"] = module
        try:
            spec.loader.exec_module(module)
            return key_of(sequential(module.Own()))
        finally:
            del sys.modules["own"]

    assert own(2) != own(3)
    assert own(2) == own(2)


LLAMA = """
import keras
from keras_hub import models

keras.utils.set_random_seed(0)
if {shift}:
    [keras.layers.Dense(1) for _ in range({shift})]
backbone = models.LlamaBackbone(
    vocabulary_size=20, num_layers=1, num_query_heads=2, num_key_value_heads=1,
    hidden_dim=4, intermediate_dim=8, rope_max_wavelength=100,
)
model = models.LlamaCausalLM(backbone)
for variable in model.weights:
    variable.assign(variable * 0 + 0.25)
from kfine.models.cutting import cut_model
from kfine.models.groups import layer_groups
from kfine.training.trunk_key import trunk_key
key = trunk_key(cut_model(model, layer_groups(model), 0), {{}})
"""


@pytest.mark.slow
def test_a_key_is_the_same_in_another_process_whatever_was_built_before() -> None:
    here: dict[str, Any] = {}
    exec(LLAMA.format(shift=0), here)
    there = subprocess.run(
        [sys.executable, "-c", LLAMA.format(shift=5) + "print(key)"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert there.stdout.split()[-1] == here["key"]
