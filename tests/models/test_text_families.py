"""Every family of text encoders that KerasHub classifies with goes through the text recipes."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.console import Console
from kfine.inputs.text.tokenizers import load_tokenizer, read_tokenizer
from kfine.inputs.text.tokenizers.standalone import _byte_chars
from kfine.presets import find_preset
from kfine.training.data import load_data
from kfine.training.job import build_job
from kfine.verbs.fit import prepare

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global cut_model, keras, models, tf

    import keras
    import tensorflow as tf
    from keras_hub import models

    from kfine.models.cutting import cut_model


QUIET = Console(quiet=True)
WORDS = ["fine", "film", "the", "a", "dull", "plot", "is"]
SMALL = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}


def _field(number: int, wire: int, payload: bytes) -> bytes:
    head = _varint(number << 3 | wire)
    return head + (_varint(len(payload)) + payload if wire == 2 else payload)


def _varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def sentence_piece(*specials: str) -> bytes:
    """A SentencePiece model: whole words, single letters, and these marks first.

    Written after https://github.com/google/sentencepiece, src/sentencepiece_model.proto.
    """
    kinds = {"<unk>": 2, "[MASK]": 4}
    pieces = [(mark, 0.0, kinds.get(mark, 3)) for mark in specials]
    pieces += [(f"\N{LOWER ONE EIGHTH BLOCK}{word}", -1.0, 1) for word in WORDS]
    letters = "\N{LOWER ONE EIGHTH BLOCK}abcdefghijklmnopqrstuvwxyzä"
    pieces += [(letter, -5.0, 1) for letter in letters]
    model = b""
    for text, score, kind in pieces:
        piece = _field(1, 2, text.encode()) + _field(2, 5, struct.pack("<f", score))
        model += _field(1, 2, piece + _field(3, 0, _varint(kind)))
    none = 2**64 - 1
    ids = [(40, specials.index("<unk>")), (41, none), (42, none), (43, 0)]
    trainer = b"".join(_field(number, 0, _varint(value)) for number, value in ids)
    model += _field(2, 2, _field(3, 0, _varint(1)) + trainer)
    rules = b"".join(_field(number, 0, _varint(1)) for number in (3, 4, 5))
    return model + _field(3, 2, _field(1, 2, b"identity") + rules)


def byte_pairs() -> tuple[dict[str, int], list[str]]:
    signs = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120", "th"]
    pieces = dict.fromkeys([*signs, *_byte_chars()])
    return {piece: number for number, piece in enumerate(pieces)}, ["t h"]


def distil_bert() -> tuple[Any, Any]:
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = models.DistilBertTokenizer(vocabulary, lowercase=True)
    backbone = models.DistilBertBackbone(len(vocabulary), **SMALL)
    return backbone, models.DistilBertTextClassifierPreprocessor(tokenizer)


def roberta() -> tuple[Any, Any]:
    tokenizer = models.RobertaTokenizer(*byte_pairs())
    backbone = models.RobertaBackbone(tokenizer.vocabulary_size(), **SMALL)
    return backbone, models.RobertaTextClassifierPreprocessor(tokenizer)


def albert() -> tuple[Any, Any]:
    marks = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    tokenizer = models.AlbertTokenizer(sentence_piece(*marks))
    backbone = models.AlbertBackbone(tokenizer.vocabulary_size(), embedding_dim=4, **SMALL)
    return backbone, models.AlbertTextClassifierPreprocessor(tokenizer)


def deberta() -> tuple[Any, Any]:
    marks = ("[PAD]", "[CLS]", "[SEP]", "<unk>")
    tokenizer = models.DebertaV3Tokenizer(sentence_piece(*marks))
    backbone = models.DebertaV3Backbone(tokenizer.vocabulary_size(), **SMALL, bucket_size=8)
    return backbone, models.DebertaV3TextClassifierPreprocessor(tokenizer)


def xlm_roberta() -> tuple[Any, Any]:
    tokenizer = models.XLMRobertaTokenizer(sentence_piece("<unk>", "<s>", "</s>"))
    backbone = models.XLMRobertaBackbone(tokenizer.vocabulary_size(), **SMALL)
    return backbone, models.XLMRobertaTextClassifierPreprocessor(tokenizer)


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    one.__name__: one for one in (distil_bert, roberta, albert, deberta, xlm_roberta)
}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A preset folder, and KerasHub's preprocessor of it."""
    keras.utils.set_random_seed(0)
    backbone, preprocessor = FAMILIES[request.param]()
    folder = tmp_path_factory.mktemp(request.param) / "preset"
    backbone.save_to_preset(folder)
    preprocessor.save_to_preset(folder)
    return str(folder), preprocessor


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("texts") / "train.jsonl"
    rows = [
        {"text": f"the {word} film" + " a" * (number % 7) + " plot" * (number // 7), "label": word}
        for number in range(20)
        for word in ("fine", "dull")
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_ids_are_kerashubs(family: Any) -> None:
    folder, preprocessor = family
    preprocessor.sequence_length = 24
    tokenizer = load_tokenizer(find_preset(folder), 24)
    for given in ("the fine film", "a dull plot is a film " * 6, "", "zzz qx"):
        ours = tokenizer.encode(given)
        # As in training and on a server; eagerly KerasHub's byte pairs differ.
        batches = tf.data.Dataset.from_tensors([given]).map(lambda one: preprocessor((one,)))
        theirs = next(iter(batches))
        np.testing.assert_array_equal([ours.token_ids], theirs["token_ids"])
        np.testing.assert_array_equal([ours.padding_mask], theirs["padding_mask"])


def test_the_pieces_of_a_graph_stand_where_those_outside_do(family: Any) -> None:
    from kfine.inputs.text.graph_tokenizer import GraphTokenizer
    from kfine.inputs.text.text import Text

    outside = Text(read_tokenizer(find_preset(family[0]), 24))
    texts = ["the fine film", " a  dull\tplot ä€ film", "", "zzz qx", "the 😀 film\n"]
    placed = tf.function(GraphTokenizer(outside).pieces)(tf.constant(texts))
    for row, text in enumerate(texts):
        got = zip(*(part[row].numpy().tolist() for part in placed), strict=True)
        assert list(got) == outside.tokenizer.tokenize(text)


@pytest.mark.slow
def test_a_classifier_is_built_divided_and_cut(family: Any, texts: str) -> None:
    module, config = prepare(
        "text_classification", None, {"data": texts, "preset": family[0], "unfreeze": "all"}
    )
    job = build_job(module, config, load_data(module, config, QUIET), QUIET).job
    names = [group.name for group in job.groups]
    assert len(names) >= 3 and names[-1] == "head"
    inputs, targets = next(iter(job.batches.dataset()))
    logits = job.model(inputs)
    assert logits.shape == targets.shape
    cut = cut_model(job.model, job.groups, 0)
    features = cut.trunk(inputs)
    np.testing.assert_allclose(cut.suffix(features), logits, atol=1e-5)
    before = [weight.numpy() for weight in job.model.trainable_weights]
    job.model.fit(job.batches.dataset(), epochs=1, verbose=0, shuffle=False)
    moved = [
        not np.array_equal(old, new.numpy())
        for old, new in zip(before, job.model.trainable_weights, strict=True)
    ]
    assert sum(moved) > 0.9 * len(moved)


@pytest.mark.slow
def test_its_file_and_its_strings_are_answered_as_by_keras(family: Any, tmp_path: Path) -> None:
    from kfine.answers.classes import Classes
    from kfine.exporting.export import Plan, convert_model
    from kfine.exporting.inference import inference_model
    from kfine.exporting.measuring.scan import custom_ops
    from kfine.inputs.text.text import Text
    from kfine.models.text_heads import text_classifier
    from kfine.models.text_pooling import TextPooling
    from kfine.runtimes.loading import load_exported

    preset = find_preset(family[0])
    model = text_classifier(preset, 3, TextPooling("mean", True, "", middle=True))
    raw = Text(read_tokenizer(preset, 16)).for_model(model)
    answer = Classes(("a", "b", "c"))
    texts = ["the fine film", "a dull plot is a film " * 6, "", "zzz qx"]
    expected = keras.ops.softmax(model.predict(raw.encode(texts).rows, verbose=0))
    inference = inference_model(model, raw, answer)
    file = convert_model(inference, Plan(raw, answer, quantize="none").completed(), tmp_path)
    assert custom_ops(file) == []
    found = list(load_exported(file).predict(texts))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    (signature,) = raw.device().signatures(inference, answer).values()
    found = tf.function(signature.function)(tf.constant(texts))["probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
