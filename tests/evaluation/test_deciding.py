"""Which words speak for what a model says."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    global keras, deciding_words, Text, read_tokenizer, find_preset
    import keras

    from kfine.evaluation.deciding import deciding_words
    from kfine.inputs.text.text import Text
    from kfine.inputs.text.tokenizers.from_preset import read_tokenizer
    from kfine.presets import find_preset


@pytest.fixture(scope="module")
def texts(tiny_text_preset: str) -> object:
    return Text(read_tokenizer(find_preset(tiny_text_preset), 12), ("token_ids",))


def summing(texts: object, vocabulary: int, *, layers: int = 1) -> object:
    """A frozen model of the mean of embeddings, whose logits are sums of what pieces say."""
    ids = keras.Input((12,), dtype="int32", name="token_ids")
    table = keras.layers.Embedding(vocabulary, 3, name="table")
    small = keras.layers.Embedding(2, 3, name="segments")
    found = table(ids)
    if layers > 1:
        found = keras.layers.Add()([found, small(keras.ops.zeros_like(ids))])
    head = keras.layers.Dense(2)
    model = keras.Model({"token_ids": ids}, head(keras.layers.GlobalAveragePooling1D()(found)))
    generator = np.random.default_rng(0)
    table.set_weights([generator.normal(size=(vocabulary, 3)).astype("float32")])
    kernel = generator.normal(size=(3, 2)).astype("float32")
    head.set_weights([kernel, np.array([0.1, 0.0], "float32")])
    model.trainable = False
    return model


@pytest.mark.parametrize("layers", [1, 2])
def test_words_have_the_shares_that_a_linear_model_gives_them(texts: object, layers: int) -> None:
    given = ["a moving film, warm and witty", "the plot is dull"] * 10
    encoded = texts.encode(given)
    model = summing(texts, 64, layers=layers)
    before = model.get_weights()
    found = deciding_words(model, encoded.rows, encoded.places)
    assert len(found) == 20 and found[0].shape == (7,) and found[0].dtype == np.float32
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    table = model.get_layer("table").get_weights()[0]
    kernel = model.layers[-1].get_weights()[0]
    logits = np.asarray(model(encoded.rows))
    owners = encoded.places.pieces.owners
    for row in (0, 1):
        said = logits[row].argmax()
        speaks = kernel[:, said] - kernel.mean(axis=1)
        each = table[encoded.rows["token_ids"][row]] @ speaks
        wanted = np.array([each[owners[row] == one].sum() for one in range(len(found[row]))])
        np.testing.assert_allclose(found[row], wanted / np.abs(wanted).max(), rtol=1e-4, atol=1e-5)


def test_a_model_without_word_pieces_has_no_words(texts: object) -> None:
    encoded = texts.encode(["a moving film"])
    plain = keras.Sequential([keras.Input((12,), name="token_ids"), keras.layers.Dense(2)])
    assert deciding_words(plain, encoded.rows, encoded.places) is None
    ids = keras.Input((12,), dtype="int32")
    tagging = keras.Model(ids, keras.layers.Embedding(64, 2)(ids))
    assert deciding_words(tagging, encoded.rows, encoded.places) is None
