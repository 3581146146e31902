"""A language model's arithmetic as phones run it, beside KerasHub's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kfine.errors import ExportError
from kfine.presets import LANGUAGE_FAMILIES

pytestmark = pytest.mark.keras

ROOM = 64
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
    "Qwen": {"tie_word_embeddings": False},
    "Qwen3": {"head_dim": 8, "tie_word_embeddings": True},
}


@pytest.fixture(scope="module", autouse=True)
def imports(needs_keras: None) -> None:
    global LanguageGraph, language_model, writer
    from kfine.exporting.formats.language_graph import LanguageGraph
    from kfine.models.language import language_model, writer


def graph_of(backbone: Any) -> Any:
    whole = writer(language_model(backbone), ends=[3], longest=8)
    return LanguageGraph(whole.get_layer("decoder").cached, ROOM)


def given(tokens: np.ndarray, place: int) -> dict[str, np.ndarray]:
    places = np.arange(place, place + len(tokens), dtype=np.int32)
    seen = np.arange(ROOM)[None] <= places[:, None]
    mask = np.where(seen, 0, -1e9).astype(np.float32)[None, None]
    return {"tokens": tokens[None], "input_pos": places, "mask": mask}


@pytest.mark.parametrize("family", tuple(LANGUAGE_FAMILIES))
def test_it_says_what_kerashub_says(family: str, random_language_model: Callable[..., Any]) -> None:
    backbone = random_language_model(family, **OWN[family])
    graph = graph_of(backbone)
    text = np.random.default_rng(1).integers(1, 50, 30).astype("int32")
    asked = {"token_ids": text[None], "padding_mask": np.ones_like(text)[None]}
    expected = np.array(backbone.token_embedding(backbone(asked), reverse=True))[0]
    size = graph.blocks[0].size
    kept = {
        f"kv_cache_{what}_{number}": np.zeros((1, 2, ROOM, size), np.float32)
        for number in range(2)
        for what in "kv"
    }
    read, say = graph.signature(16, False), graph.signature(1, True)
    kept = read(**given(text[:16], 0), **kept)
    assert "logits" not in kept
    for place in range(16, len(text)):
        kept = say(**given(text[place : place + 1], place), **kept)
        logits = kept.pop("logits")[0, 0]
        np.testing.assert_allclose(logits, expected[place], atol=2e-5)


def test_a_window_that_kerashub_applies_elsewhere_is_refused(
    random_language_model: Callable[..., Any],
) -> None:
    backbone = random_language_model(
        "Qwen", use_sliding_window_attention=True, sliding_window_size=8
    )
    with pytest.raises(ExportError, match="sliding window of 8 tokens cannot be written"):
        graph_of(backbone)
