"""What every adapter promises: it begins as nothing, and is folded in without a trace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.adapters.options import LOW_RANK, METHODS, AdapterOptions
from kfine.errors import ConfigError
from kfine.models.groups import layer_groups

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global adapted_layers, add_to_backbone, fold_adapters, keras

    import keras

    from kfine.adapters.adding import add_to_backbone
    from kfine.adapters.attaching import adapted_layers, fold_adapters


def randomise(model: Any) -> list[Any]:
    """Give the adapters of a model other values, and return them."""
    random = np.random.default_rng(0)
    variables = [one for _, a in adapted_layers([model]) for one in a.variables.values()]
    for one in variables:
        one.assign(one + 0.1 * random.standard_normal(one.shape).astype("float32"))
    return variables


def text_model(preset: str) -> tuple[Any, Any]:
    from kfine.models.text_heads import text_classifier
    from kfine.presets import find_preset

    ids = np.random.default_rng(1).integers(0, 26, (4, 12)).astype("int32")
    rows = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": np.ones_like(ids)}
    return text_classifier(find_preset(preset), 2), rows


def image_model_of(preset: str) -> tuple[Any, Any]:
    from kfine.models.image_heads import image_model
    from kfine.presets import find_preset

    model = image_model(find_preset(preset), 3, dropout=0.2, pooling="last")
    # Statistics as of a network that was trained, so that activations have a usual size.
    images = np.random.default_rng(1).uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    model(images, training=True)
    return model, images


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["text", "image"])
def test_it_begins_as_nothing_and_is_folded_in_without_a_trace(
    method: str, kind: str, tiny_preset: str, tiny_text_preset: str, tmp_path: Path
) -> None:
    made = text_model(tiny_text_preset) if kind == "text" else image_model_of(tiny_preset)
    model, rows = made
    groups = layer_groups(model)
    plain = np.asarray(model(rows))
    classes = [type(one) for one in model._flatten_layers()]
    shapes = [tuple(one.shape) for one in model.weights]

    add_to_backbone(groups, AdapterOptions(method, rank=2, dropout=0.1), 0)
    np.testing.assert_allclose(np.asarray(model(rows)), plain, atol=1e-6)
    variables = randomise(model)
    assert variables
    changed = np.asarray(model(rows))
    assert np.abs(changed - plain).max() > 1e-3

    fold_adapters([model])
    np.testing.assert_allclose(np.asarray(model(rows)), changed, atol=1e-5)
    assert [type(one) for one in model._flatten_layers()] == classes
    assert [tuple(one.shape) for one in model.weights] == shapes
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(np.asarray(loaded(rows)), np.asarray(model(rows)))


def layers_of_all_kinds() -> dict[str, tuple[Callable[[], Any], tuple[int, ...], type]]:
    layers = keras.layers
    return {
        "dense": (lambda: layers.Dense(7, activation="gelu"), (5, 6), float),
        "narrowing dense": (lambda: layers.Dense(3, activation="relu"), (5, 6), float),
        "query": (
            lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"),
            (5, 6),
            float,
        ),
        "attention output": (
            lambda: layers.EinsumDense("abcd,cde->abe", (None, 4), bias_axes="e"),
            (5, 2, 3),
            float,
        ),
        "axes in another order": (
            lambda: layers.EinsumDense("abcd,dce->abe", (None, 4), bias_axes="e"),
            (5, 2, 3),
            float,
        ),
        "heads first": (lambda: layers.EinsumDense("btd,ndh->btnh", (None, 2, 3)), (5, 6), float),
        "any axes": (
            lambda: layers.EinsumDense("...x,xy->...y", 4, bias_axes="y"),
            (5, 6),
            float,
        ),
        "conv1d": (lambda: layers.Conv1D(4, 3, strides=2, padding="same"), (9, 6), float),
        "conv2d": (
            lambda: layers.Conv2D(4, 3, dilation_rate=2, activation="relu"),
            (9, 9, 6),
            float,
        ),
        "depthwise": (
            lambda: layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, activation="relu"),
            (9, 9, 6),
            float,
        ),
        "embedding": (lambda: layers.Embedding(11, 4), (5,), int),
    }


KINDS = (
    *("dense", "narrowing dense", "query", "attention output", "axes in another order"),
    *("heads first", "any axes"),
    *("conv1d", "conv2d", "depthwise", "embedding"),
)


# Of a table of vectors there is LoRA alone.
ON_KINDS = [(method, kind) for method in (*LOW_RANK, "ia3") for kind in KINDS]
ON_KINDS.remove(("dora", "embedding"))
ON_KINDS.remove(("ia3", "embedding"))


@pytest.mark.parametrize(("method", "kind"), ON_KINDS)
def test_it_computes_on_every_kind_of_layer_what_it_is_folded_to(method: str, kind: str) -> None:
    make, shape, dtype = layers_of_all_kinds()[kind]
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    given = keras.Input(shape, dtype="int32" if dtype is int else "float32")
    layer = make()
    model = keras.Model(given, keras.layers.Dense(1)(layer(given)))
    rows = random.integers(0, 11, (3, *shape)) if dtype is int else random.normal(size=(3, *shape))
    for one in layer.weights:
        one.assign(one + random.normal(size=one.shape))
    add_to_backbone(layer_groups(model), AdapterOptions(method, rank=2, targets=layer.name), 0)
    before = np.asarray(layer(rows))
    randomise(model)
    changed = np.asarray(layer(rows))
    assert np.abs(changed - before).max() > 1e-2
    fold_adapters([model])
    np.testing.assert_allclose(np.asarray(layer(rows)), changed, atol=1e-5)


@pytest.mark.parametrize("method", [*LOW_RANK, "ia3"])
def test_it_trains_under_a_mixed_policy(method: str) -> None:
    given = keras.Input((5, 6), dtype="float16")
    dense = keras.layers.Dense(8, activation="gelu", dtype="mixed_bfloat16")
    model = keras.Model(given, keras.layers.Dense(1)(dense(given)))
    options = AdapterOptions(method, rank=2, dropout=0.2 if method != "ia3" else 0.0)
    add_to_backbone(layer_groups(model), options, 0)
    variables = randomise(model)
    assert {one.dtype for one in variables} == {"float32"}
    rows = np.random.default_rng(0).normal(size=(3, 5, 6)).astype("float16")
    assert str(dense(rows, training=True).dtype).endswith("bfloat16'>")
    changed = np.asarray(model(rows))
    fold_adapters([model])
    np.testing.assert_allclose(np.asarray(model(rows)), changed, atol=0.1)


def test_factors_are_refused_where_the_bias_is_of_some_outputs_only() -> None:
    given = keras.Input((5, 6))
    odd = keras.layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e")
    model = keras.Model(given, keras.layers.Dense(1)(odd(given)))
    with pytest.raises(ConfigError, match="suits none of the layers"):
        add_to_backbone(layer_groups(model), AdapterOptions("ia3", targets=odd.name), 0)


def test_keys_of_few_heads_have_factors_of_what_they_give() -> None:
    given = keras.Input((5, 16))
    attention = keras.layers.GroupQueryAttention(4, 4, 2)
    model = keras.Model(given, keras.layers.Dense(1)(attention(given, given)))
    add_to_backbone(layer_groups(model), AdapterOptions("ia3"), 0)
    shapes = {one.name: a.factors.shape for one, a in adapted_layers([model])}
    assert set(shapes) == {"key", "value"} and set(shapes.values()) == {(2, 4)}


def test_a_model_with_adapters_says_why_it_is_not_saved(tmp_path: Path) -> None:
    given = keras.Input((6,))
    model = keras.Model(given, keras.layers.Dense(1)(keras.layers.Dense(8)(given)))
    add_to_backbone(layer_groups(model), AdapterOptions("lora", rank=2), 0)
    with pytest.raises(ConfigError, match="merge_adapters folds them in"):
        model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    fold_adapters([model])
    model.save(tmp_path / "model.keras")


def test_adapters_are_set_aside_and_come_back_as_they_were(tiny_text_preset: str) -> None:
    from kfine.adapters.attaching import without_adapters

    for method in METHODS:
        model, rows = text_model(tiny_text_preset)
        plain, names = np.asarray(model(rows)), [one.path for one in model.weights]
        dropout = 0.1 if method in LOW_RANK else 0.0
        options = AdapterOptions(method, rank=2, dropout=dropout)
        add_to_backbone(layer_groups(model), options, 0)
        variables = randomise(model)
        changed = np.asarray(model(rows))
        with without_adapters([model]):
            assert [one.path for one in model.weights] == names
            if method not in ("bitfit", "norms"):
                np.testing.assert_array_equal(np.asarray(model(rows)), plain)
        np.testing.assert_array_equal(np.asarray(model(rows)), changed)
        there = {id(one) for one in model.weights}
        assert {id(one) for one in variables} <= there
        inner = [type(one).__name__ for one in model._flatten_layers()]
        assert inner.count("Dropout") >= (12 if dropout else 0)


def test_a_low_rank_change_has_that_rank_and_its_scale() -> None:
    given = keras.Input((6,))
    dense = keras.layers.Dense(8)
    model = keras.Model(given, keras.layers.Dense(1)(dense(given)))
    kernel = dense.kernel.numpy()
    for method, scale in (("lora", 6 / 4), ("rslora", 6 / 2)):  # alpha 6, rank 4
        dense.kernel.assign(kernel)
        add_to_backbone(layer_groups(model), AdapterOptions(method, rank=4, alpha=6.0), 0)
        ((_, adapter),) = adapted_layers([model])
        randomise(model)
        learned = adapter.learned()
        product = learned["lora_a"] @ learned["lora_b"]
        fold_adapters([model])
        change = dense.kernel.numpy() - kernel
        np.testing.assert_allclose(change, scale * product, atol=1e-6)
        assert np.linalg.matrix_rank(change, tol=1e-5) == 4


def test_the_length_of_weights_is_what_dora_learned() -> None:
    given = keras.Input((6,))
    dense = keras.layers.Dense(8)
    model = keras.Model(given, keras.layers.Dense(1)(dense(given)))
    add_to_backbone(layer_groups(model), AdapterOptions("dora", rank=2), 0)
    randomise(model)
    ((_, adapter),) = adapted_layers([model])
    lengths = adapter.learned()["dora_lengths"]
    fold_adapters([model])
    folded = np.linalg.norm(dense.kernel.numpy(), axis=0)
    np.testing.assert_allclose(folded, np.abs(lengths), rtol=1e-5)


def test_dropout_is_on_the_way_of_the_change_alone() -> None:
    given = keras.Input((6,))
    dense = keras.layers.Dense(8)
    model = keras.Model(given, keras.layers.Dense(1)(dense(given)))
    rows = np.ones((2, 6), "float32")
    plain = np.asarray(dense(rows))
    add_to_backbone(layer_groups(model), AdapterOptions("lora", rank=2, dropout=0.5), 0)
    # While the change is nothing, so is what drops out of it.
    np.testing.assert_array_equal(np.asarray(dense(rows, training=True)), plain)
    randomise(model)
    still = [np.asarray(dense(rows, training=False)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    random = [np.asarray(dense(rows, training=True)) for _ in range(2)]
    assert not np.array_equal(*random)


def test_what_was_learned_is_restored_on_the_same_weights(tiny_text_preset: str) -> None:
    for method in METHODS:
        first, rows = text_model(tiny_text_preset)
        second = keras.models.clone_model(first)
        second.set_weights(first.get_weights())
        for model in (first, second):
            add_to_backbone(layer_groups(model), AdapterOptions(method, rank=2), 0)
        randomise(first)
        learned = [one.learned() for _, one in adapted_layers([first])]
        for (_, adapter), values in zip(adapted_layers([second]), learned, strict=True):
            adapter.restore(values)
        np.testing.assert_allclose(np.asarray(second(rows)), np.asarray(first(rows)), atol=1e-6)
