"""What kfine takes of Keras that Keras does not promise is still there and means the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine import keras_private as private

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global keras

    import keras


@pytest.fixture
def model() -> Any:
    """A dense layer inside a nested model, dropout, and a dense layer of two outputs."""
    inputs = keras.Input((3,), name="first")
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="deep")], name="inner")
    hidden = keras.layers.Dropout(0.5, name="dropout")(inner(inputs))
    norm = keras.layers.BatchNormalization(name="norm")(hidden)
    outputs = {"a": keras.layers.Dense(2, name="a")(norm)}
    return keras.Model({"first": inputs}, outputs)


def test_every_layer_is_found_however_deep_it_lies(model: Any) -> None:
    names = {one.name for one in private.flattened(model)}
    assert {"inner", "deep", "dropout", "norm", "a"} <= names


def test_layers_that_behave_otherwise_in_training_say_so(model: Any) -> None:
    """Frozen ones are pinned to inference."""
    assert private.takes_training(model.get_layer("dropout"))
    assert private.takes_training(model.get_layer("norm"))
    assert not private.takes_training(keras.layers.Flatten())


def test_what_was_made_to_train_stays_so_when_it_is_frozen(model: Any) -> None:
    norm = model.get_layer("norm")
    norm.trainable = False
    assert {one.name for one in private.made_to_train(norm)} == {"gamma", "beta"}
    dense = model.get_layer("a")
    dense.enable_lora(1)
    names = {one.name for one in private.made_to_train(dense)}
    assert {"kernel", "lora_kernel_a", "lora_kernel_b"} <= names
    assert "kernel" not in {one.name for one in dense.trainable_variables}


def test_a_functional_model_is_walked_through_in_the_order_of_its_calls(model: Any) -> None:
    assert private.is_graph(model) and not private.is_graph(keras.layers.Dense(2))
    assert private.graph_of(model) is model
    called = [node.operation.name for node in private.calls_of(model)]
    assert called == ["inner", "dropout", "norm", "a"]
    assert list(private.inputs_of(model)) == ["first"]
    assert list(private.outputs_of(model)) == ["a"]


def test_a_sequential_model_has_a_graph_inside(model: Any) -> None:
    inner = model.get_layer("inner")
    assert private.is_graph(private.graph_of(inner))


def test_calls_of_models_that_are_gone_are_forgotten(model: Any) -> None:
    dense = model.get_layer("a")
    before = private.call_counts(dense)
    keras.Model(model.input, dense(model.get_layer("norm").output))
    assert private.call_counts(dense)[0] == before[0] + 1
    private.forget_calls(dense, before)
    assert private.call_counts(dense) == before


def test_an_optimizer_knows_its_variables_and_their_averages(model: Any) -> None:
    optimizer = keras.optimizers.AdamW(use_ema=True)
    optimizer.build(model.trainable_variables)
    trained, averages = private.trained_by(optimizer), private.averages_of(optimizer)
    assert [one.path for one in trained] == [one.path for one in model.trainable_variables]
    assert [one.shape for one in averages] == [one.shape for one in trained]
    # Keras keeps averages from the first step on.
    np.testing.assert_array_equal(averages[0].numpy().shape, trained[0].shape)


@pytest.mark.parametrize("family", ["Llama", "Mistral", "Qwen", "Qwen3"])
def test_a_block_of_a_language_model_says_all_that_it_was_made_with(family: str) -> None:
    import keras_hub

    sizes = {"num_query_heads": 4, "num_key_value_heads": 2, "intermediate_dim": 32}
    backbone = getattr(keras_hub.models, f"{family}Backbone")(
        vocabulary_size=20,
        num_layers=1,
        hidden_dim=16,
        **sizes,
        **({"head_dim": 8} if family == "Qwen3" else {}),
    )
    (block,) = backbone.transformer_layers
    private.describes_itself(block)
    config = keras.saving.serialize_keras_object(block)
    again = keras.saving.deserialize_keras_object(config)
    again.set_weights(block.get_weights())
    given = np.random.default_rng(0).normal(size=(1, 3, 16)).astype("float32")
    np.testing.assert_array_equal(again(given), block(given))
