"""Whisper: taught with what was said, answering by itself, cut at the top of its encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.keras

START, END = (262, 265), 261


@pytest.fixture(scope="module", autouse=True)
def imports(needs_keras: None) -> None:
    global keras, cut_model, layer_groups, speech_model, transcriber
    import keras

    from kfine.models.cutting import cut_model
    from kfine.models.groups import layer_groups
    from kfine.models.speech import speech_model, transcriber


@pytest.fixture(scope="module")
def model(tiny_speech_preset: str) -> Any:
    import keras_hub

    whisper = keras_hub.models.WhisperBackbone.from_preset(tiny_speech_preset)
    found = speech_model(whisper)
    # Random weights hear nothing: with larger ones tokens differ between sounds.
    keras.utils.set_random_seed(0)
    for variable in found.weights:
        if variable.ndim > 1:
            variable.assign(keras.random.normal(variable.shape, stddev=0.4))
    return found


@pytest.fixture(scope="module")
def sounds() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (5, 60, 80)).astype("float32")


def greedy(model: Any, sound: np.ndarray, longest: int) -> tuple[list[int], float]:
    """The likeliest tokens, each by a pass of the whole model over all before it."""
    said = list(START)
    logarithms: list[float] = []
    while len(said) < len(START) + longest and said[-1] != END:
        given = {"sound": sound[None], "token_ids": np.array([said], np.int32)}
        logits = np.asarray(model(given, training=False))[0, -1].astype(np.float64)
        logits[END + 1 :] = -np.inf
        if len(said) == len(START):
            logits[[END, 220]] = -np.inf
        said.append(int(np.argmax(logits)))
        logarithms.append(logits.max() - np.log(np.exp(logits).sum()))
    return said[len(START) :], float(np.exp(np.mean(logarithms)))


def test_it_says_the_likeliest_token_one_after_the_other(model: Any, sounds: np.ndarray) -> None:
    answering = transcriber(model, start=START, end=END, never_first=[220, END], longest=9)
    found = answering.predict(sounds, verbose=0)
    assert found["token_ids"].shape == (5, 9)
    different = set()
    for sound, tokens, sure in zip(sounds, found["token_ids"], found["confidence"], strict=True):
        wanted, probability = greedy(model, sound, 9)
        assert tokens.tolist() == wanted + [END] * (9 - len(wanted))
        assert sure == pytest.approx(probability, rel=1e-3)
        different.add(tuple(wanted))
    assert len(different) > 1


def searched(model: Any, sound: np.ndarray, longest: int, beams: int) -> list[int]:
    """Beam search, each text by a pass of the whole model over all of it."""
    texts: list[tuple[list[int], float]] = [([], 0.0)]
    for _ in range(longest):
        more: list[tuple[list[int], float]] = []
        for said, score in texts:
            if said and said[-1] == END:
                more.append((said, score))
                continue
            given = {"sound": sound[None], "token_ids": np.array([[*START, *said]], np.int32)}
            logits = np.asarray(model(given, training=False))[0, -1].astype(np.float64)
            logits[END + 1 :] = -np.inf
            if not said:
                logits[[END, 220]] = -np.inf
            log = logits - logits.max()
            log -= np.log(np.exp(log).sum())
            more += [([*said, int(one)], score + log[one]) for one in np.argsort(-log)[:beams]]
        texts = sorted(more, key=lambda one: -one[1])[:beams]
    return max(texts, key=lambda one: one[1] / len(one[0]))[0]


def test_the_likeliest_of_several_texts_is_said(model: Any, sounds: np.ndarray) -> None:
    answering = transcriber(model, start=START, end=END, never_first=[220, END], longest=6, beams=3)
    found = answering.predict(sounds, verbose=0)["token_ids"]
    wanted = [searched(model, sound, 6, 3) for sound in sounds]
    assert found.tolist() == [one + [END] * (6 - len(one)) for one in wanted]
    assert found.tolist() != [
        one + [END] * (6 - len(one)) for one in (greedy(model, sound, 6)[0] for sound in sounds)
    ]


def test_it_stops_where_all_are_at_their_end(model: Any, sounds: np.ndarray) -> None:
    one = transcriber(model, start=START, end=END, never_first=[220, END], longest=1)
    assert one.predict(sounds, verbose=0)["token_ids"].shape == (5, 1)


def test_a_file_of_it_has_one_embedding(model: Any, sounds: np.ndarray, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert again.count_params() == model.count_params()
    given = {"sound": sounds, "token_ids": np.array([[*START, 7]] * 5, np.int32)}
    np.testing.assert_allclose(again(given), model(given), atol=1e-5)


def test_its_groups_are_encoder_embedding_and_decoder(model: Any) -> None:
    names = [one.name for one in layer_groups(model)]
    assert names[-4:] == [
        "transformer_encoder_layer_0",
        "token_embedding",
        "transformer_decoder_layer_0",
        "head",
    ]
    groups = {one.name: [layer.name for layer in one.layers] for one in layer_groups(model)}
    assert groups["token_embedding"] == [
        "token_embedding",
        "position_embedding",
        "decoder_embeddings_add",
    ]
    assert groups["head"] == ["decoder_layer_norm"]


def test_what_is_cut_off_is_not_told_what_was_said(model: Any, sounds: np.ndarray) -> None:
    tokens = np.array([[*START, 7, 8]] * 5, np.int32)
    cut = cut_model(model, layer_groups(model), 1, {"token_ids": lambda rows: rows})
    assert len(cut.trunk.inputs) == 1
    heard = cut.trunk(sounds)
    assert heard.shape == (5, 30, 16)
    found = cut.suffix((np.asarray(heard), tokens))
    np.testing.assert_allclose(
        found, model({"sound": sounds, "token_ids": tokens}, training=False), atol=1e-5
    )


def test_nothing_behind_a_token_changes_what_follows_on_it(model: Any, sounds: np.ndarray) -> None:
    short = np.array([[*START, 7]] * 5, np.int32)
    long = np.array([[*START, 7, 9, END, END]] * 5, np.int32)
    one, other = (
        np.asarray(model({"sound": sounds, "token_ids": rows}, training=False))
        for rows in (short, long)
    )
    np.testing.assert_allclose(one, other[:, :3], atol=1e-5)
