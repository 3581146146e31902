"""Token ids to an encoder's inputs inside the graph: what the tokenizer gives outside of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.answers.classes import Classes
from kfine.errors import ExportError
from kfine.inputs.text import Text
from kfine.inputs.text.tokenizers import TokenizerFiles, read_tokenizer
from kfine.presets import find_preset

INPUTS = ("padding_mask", "segment_ids", "token_ids")
TEXTS: list[Any] = [
    "a fine film",
    "",
    ("a fine film", "the end is cold ."),
    ("", ""),
    ("a fine film", ""),
    ("", "a fine film"),
    ("a " * 40, "the " * 40),
    "very " * 40,
]


@pytest.fixture(scope="module")
def text(tiny_text_preset: str) -> Text:
    return Text(read_tokenizer(find_preset(tiny_text_preset), 24), INPUTS)


def byte_pair() -> Text:
    """A tiny BPE tokenizer as RoBERTa has it."""
    from kfine.inputs.text.tokenizers.standalone import _byte_chars

    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *_byte_chars(), "in", "fi", "\u0120fi"]
    description = {
        **described("bpe"),
        "sequence_length": 12,
        "vocabulary": "vocabulary.json",
        "merges": "merges.txt",
    }
    vocabulary = json.dumps({word: number for number, word in enumerate(words)})
    files = {"vocabulary.json": vocabulary.encode(), "merges.txt": b"i n\nf i\n\xc4\xa0 fi\n"}
    return Text(TokenizerFiles(description, files))


def described(kind: str) -> dict[str, Any]:
    return {
        "format": "kfine-tokenizer-2",
        "kind": kind,
        "class": "RobertaTokenizer",
        "truncate": "round_robin",
        "segment_ids": False,
        "split": "gpt2",
        "add_prefix_space": False,
        "special_tokens_in_text": ["</s>", "<mask>", "<pad>", "<s>"],
        "start": ["<s>"],
        "separator": ["</s>", "</s>"],
        "end": ["</s>"],
        "padding": "<pad>",
        "unicode": {},
    }


def test_masks_and_segments_are_those_of_the_tokenizer(text: Text) -> None:
    from kfine.inputs.text.raw_tokens import RawTokens

    rows = text.encode(TEXTS).rows
    found = RawTokens(INPUTS, *text.device().special_ids())(rows["token_ids"])
    assert set(found) == set(INPUTS)
    for name in INPUTS:
        assert np.asarray(found[name]).dtype == np.int32
        assert np.array_equal(np.asarray(found[name]), rows[name]), name
    assert rows["segment_ids"].any()


def test_pairs_and_texts_are_answered_alike_by_model_and_file(
    text: Text, tiny_text_preset: str, tmp_path: Path
) -> None:
    """Segments decide here: the encoder's own weights are random, and none is trained."""
    import keras

    from kfine.exporting.export import Plan, convert_model
    from kfine.exporting.inference import inference_model
    from kfine.exporting.measuring.scan import custom_ops
    from kfine.models.text_heads import text_classifier
    from kfine.runtimes.loading import load_exported

    keras.utils.set_random_seed(0)
    model = text_classifier(find_preset(tiny_text_preset), 3)
    model.layers[-1].kernel.assign(3 * keras.ops.convert_to_tensor(model.layers[-1].kernel))
    expected = np.asarray(keras.ops.softmax(model.predict(text.encode(TEXTS).rows, verbose=0)))
    classes = Classes(("a", "b", "c"))
    inference = inference_model(model, text, classes)
    assert [(one.name, one.dtype, one.shape) for one in inference.inputs] == [
        ("token_ids", "int32", (None, 24))
    ]
    path = convert_model(inference, Plan(text, classes, quantize="none", form="fixed"), tmp_path)
    assert custom_ops(path) == []
    got = np.stack(list(load_exported(path).predict(TEXTS)))
    assert np.abs(got - expected).max() < 1e-4
    # The segment matters: the same two texts as one text are answered otherwise.
    (joined,) = load_exported(path).predict(["a fine film the end is cold ."])
    assert np.abs(joined - got[2]).max() > 1e-3


def test_a_mixed_precision_encoder_is_computed_in_float32(
    text: Text, tiny_text_preset: str
) -> None:
    import keras

    from kfine.exporting.inference import inference_model
    from kfine.models.text_heads import text_classifier

    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = text_classifier(find_preset(tiny_text_preset), 2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert "float16" in {layer.compute_dtype for layer in model._flatten_layers()}
    inference = inference_model(model, text, Classes(("a", "b")))
    assert {layer.compute_dtype for layer in inference._flatten_layers()} <= {"float32", "int32"}
    rows = text.encode(TEXTS).rows
    expected = keras.ops.softmax(keras.ops.cast(model.predict(rows, verbose=0), "float32"))
    got = inference.predict(rows["token_ids"], verbose=0)["probabilities"]
    assert np.abs(got - np.asarray(expected)).max() < 5e-3


def test_models_that_are_no_classifiers_of_texts_are_refused(
    text: Text,
) -> None:
    import keras

    from kfine.exporting.inference import inference_model

    ids = {name: keras.Input((None,), dtype="int32", name=name) for name in INPUTS}
    tokens = keras.layers.Embedding(30, 4)(ids["token_ids"])
    with pytest.raises(ExportError, match=r"must give probabilities \(batch, classes\)"):
        inference_model(keras.Model(ids, tokens), text, Classes(("a", "b")))
    other = replace(text, inputs=("token_ids", "languages"))
    with pytest.raises(ExportError, match="the model to export takes token_ids, languages"):
        inference_model(keras.Model(ids, tokens), other, Classes(("a", "b")))


def test_a_bundle_ships_a_sentencepiece_model_and_says_what_it_takes(tmp_path: Path) -> None:
    from kfine.exporting.bundle.snippets import snippets

    description = {**described("sentencepiece"), "sequence_length": 8, "model": "spiece.model"}
    text = Text(TokenizerFiles(description, {"spiece.model": b"\x00"}))
    text.device().write_programs(tmp_path)
    found = sorted(path.name for path in (tmp_path / "tokenizer").iterdir())
    assert found == ["spiece.model", "tokenizer.json"]
    assert snippets(text, Classes(("a", "b"))) == {}
    card = text.device().card_use("fixed", "2 probabilities.", "")
    assert "the SentencePiece model `spiece.model`" in card and "snippets" not in card


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_the_tokenizer_in_the_graph_is_the_one_outside(text: Text, kind: str) -> None:
    import tensorflow as tf

    from kfine.inputs.text.graph_tokenizer import GraphTokenizer

    found = text if kind == "wordpiece" else byte_pair()
    tokenizer = GraphTokenizer(found)
    encode = tf.function(tokenizer.encode)
    texts = [one for one in TEXTS if isinstance(one, str)]
    texts += ["Ein feiner Film – für 2 €!", "  fine\tfine\nfilms ", "[SEP] fi in [MASK]"]
    got = encode(tf.constant(texts)).numpy()
    assert np.array_equal(got, found.encode(texts).rows["token_ids"])
    assert found.encode(texts).rows["token_ids"].shape[1] in (12, 24)
    placed = tf.function(tokenizer.pieces)(tf.constant(texts))
    for row, one in enumerate(texts):
        got = zip(*(part[row].numpy().tolist() for part in placed), strict=True)
        assert list(got) == found.tokenizer.tokenize(one)


def test_a_sample_fills_the_whole_length(text: Text) -> None:
    device = text.device()
    row = device.sample()["token_ids"]
    assert (row.shape, row.dtype) == ((1, 24), np.int32)
    padding = text.encode([""]).rows["token_ids"][0, -1]
    assert (row != padding).all()
    assert np.array_equal(row, device.sample()["token_ids"])
