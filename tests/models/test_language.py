"""Language models: told the replies, writing them by themselves, and kept in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.presets import LANGUAGE_FAMILIES

pytestmark = pytest.mark.keras

OWN: dict[str, dict[str, Any]] = {
    "Llama": {"rope_max_wavelength": 500, "rope_position_scaling_factor": 2.0},
    "Llama3": {
        "rope_max_wavelength": 500,
        "rope_frequency_adjustment_factor": 32.0,
        "rope_low_freq_factor": 1.0,
        "rope_high_freq_factor": 4.0,
        "rope_pretraining_sequence_length": 8,
    },
    "Mistral": {"sliding_window": 4},
    "Qwen": {"rope_max_wavelength": 500},
    "Qwen3": {"head_dim": 8, "tie_word_embeddings": False},
}
# How many tokens of each row are prompt.
PROMPTS = (5, 3, 2)


@pytest.fixture(scope="module", autouse=True)
def imports(needs_keras: None) -> None:
    global keras, keras_hub, language_model, writer, language_backbone
    import keras
    import keras_hub

    from kfine.models.language import language_backbone, language_model, writer


@pytest.fixture(scope="module", params=tuple(LANGUAGE_FAMILIES))
def backbone(request: pytest.FixtureRequest, random_language_model: Callable[..., Any]) -> Any:
    return random_language_model(request.param, **OWN[request.param])


@pytest.fixture(scope="module")
def model(backbone: Any) -> Any:
    return language_model(backbone)


@pytest.fixture(scope="module")
def texts() -> np.ndarray:
    return np.random.default_rng(1).integers(1, 50, (len(PROMPTS), 11)).astype("int32")


def prompts(texts: np.ndarray) -> np.ndarray:
    rows = np.full((len(PROMPTS), max(PROMPTS)), -1, "int32")
    for row, text, length in zip(rows, texts, PROMPTS, strict=True):
        row[len(row) - length :] = text[:length]
    return rows


def logits_of(backbone: Any, ids: np.ndarray) -> np.ndarray:
    """KerasHub's own, of a text without padding."""
    found = backbone({"token_ids": ids[None], "padding_mask": np.ones_like(ids)[None]})
    return np.array(backbone.token_embedding(found, reverse=True))[0]


def test_the_logits_of_a_reply_are_kerashubs_whatever_stands_before_the_prompt(
    backbone: Any, model: Any, texts: np.ndarray
) -> None:
    for row, text, length in zip(prompts(texts), texts, PROMPTS, strict=True):
        reply = text[length:]
        found = model({"prompt_ids": row[None], "reply_ids": reply[None]})[0]
        expected = logits_of(backbone, text)[length - 1 : -1]
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_what_follows_in_a_reply_changes_nothing_before(model: Any, texts: np.ndarray) -> None:
    rows, reply = prompts(texts), texts[:, 5:]
    found = np.array(model({"prompt_ids": rows, "reply_ids": reply}))
    other = reply.copy()
    other[:, 3:] = 7
    changed = np.array(model({"prompt_ids": rows, "reply_ids": other}))
    np.testing.assert_allclose(found[:, :4], changed[:, :4], atol=1e-6)
    assert np.abs(found[:, 4:] - changed[:, 4:]).max() > 1e-3


def test_a_file_holds_the_same_model(model: Any, texts: np.ndarray, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert len(again.weights) == len(model.weights)
    given = {"prompt_ids": prompts(texts), "reply_ids": texts[:, 5:]}
    np.testing.assert_array_equal(again(given), model(given))


def test_the_likeliest_tokens_are_written_as_a_plain_loop_writes_them(
    backbone: Any, model: Any, texts: np.ndarray
) -> None:
    ends, longest = (3, 4), 8
    found = writer(model, ends=ends, longest=longest)(prompts(texts))
    rows = np.array(found["token_ids"])
    for row, sure, text, length in zip(rows, found["confidence"], texts, PROMPTS, strict=True):
        said, logs = list(text[:length]), []
        while len(said) < length + longest:
            logits = logits_of(backbone, np.array(said, "int32"))[-1].astype(float)
            logs.append(logits.max() - np.log(np.exp(logits).sum()))
            said.append(int(logits.argmax()))
            if said[-1] in ends:
                said[-1] = ends[0]
                break
        written = said[length:]
        assert row.tolist() == written + [ends[0]] * (longest - len(written))
        assert float(sure) == pytest.approx(np.exp(np.mean(logs)), rel=1e-4)


def test_rows_are_written_alike_alone_and_together(model: Any, texts: np.ndarray) -> None:
    write = writer(model, ends=(3,), longest=6)
    together = np.array(write(prompts(texts))["token_ids"])
    alone = [np.array(write(row[None])["token_ids"])[0] for row in prompts(texts)]
    np.testing.assert_array_equal(together, alone)


def test_a_model_that_is_no_language_model_is_refused(tiny_text_preset: str) -> None:
    from kfine.errors import PresetError

    with pytest.raises(
        PresetError, match=r"Llama, Llama3, Mistral, Qwen, Qwen3\. Received: .*BertBackbone"
    ):
        language_backbone(tiny_text_preset)


def test_computing_again_changes_no_gradient(backbone: Any, texts: np.ndarray) -> None:
    import tensorflow as tf

    given = {"prompt_ids": prompts(texts), "reply_ids": texts[:, 5:]}
    found = []
    for recompute in (False, True):
        copy = type(backbone).from_config(backbone.get_config())
        copy.set_weights(backbone.get_weights())
        model = language_model(copy, recompute=recompute)
        computed = []
        for block in copy.transformer_layers:
            count_calls(block._self_attention_layer, computed)

        @tf.function
        def gradients(given: Any, model: Any = model) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(model(given, training=True) ** 2)
            return tape.gradient(loss, model.trainable_variables)

        found.append(dict(zip([v.path for v in model.weights], gradients(given), strict=True)))
        assert len(computed) == 2 * (1 + recompute)
    for plain, again in zip(*(one.values() for one in found), strict=True):
        plain, again = (tf.convert_to_tensor(one) for one in (plain, again))
        np.testing.assert_allclose(plain, again, rtol=1e-4, atol=1e-6)


def count_calls(layer: Any, into: list[str]) -> None:
    plain = layer.call

    def call(*arguments: Any, **options: Any) -> Any:
        into.append(layer.name)
        return plain(*arguments, **options)

    layer.call = call
