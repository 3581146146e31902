"""Models from memory are equal to models from the file, whatever was trained before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kfine.models.pretrained import from_preset, pretrained_in_memory

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global keras

    import keras


def build(preset: str, seed: int = 0) -> Any:
    import keras_hub

    keras.utils.set_random_seed(seed)
    return from_preset(keras_hub.models.ImageClassifier, preset, num_classes=3, dropout=0.1)


def equal(ours: list[Any], theirs: list[Any]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


def spoil(model: Any) -> None:
    for weight in model.weights:
        weight.assign(weight * 0 + 7)
    # A cut model calls the same layers again.
    keras.Model(model.backbone.input, model.backbone.output)
    keras.Sequential([model.backbone.layers[1]])(np.zeros((1, 32, 32, 3), np.float32))


def test_a_model_from_memory_is_the_model_from_the_file(tiny_preset: str) -> None:
    expected = build(tiny_preset).get_weights()
    other_seed = build(tiny_preset, seed=1).get_weights()
    assert not equal(expected, other_seed)
    with pretrained_in_memory():
        first = build(tiny_preset)
        backbone = first.backbone
        for _ in range(3):
            spoil(first)
            first = build(tiny_preset)
            assert first.backbone is backbone
            assert equal(first.get_weights(), expected)
        spoil(first)
        assert equal(build(tiny_preset, seed=1).get_weights(), other_seed)
    spoil(first)
    assert equal(build(tiny_preset).get_weights(), expected)


def test_models_that_are_gone_are_not_held_by_the_layers_that_they_shared(tiny_preset: str) -> None:
    def calls(backbone: Any) -> int:
        layers = backbone._flatten_layers()
        return sum(len(one._inbound_nodes) + len(one._outbound_nodes) for one in layers)

    with pretrained_in_memory():
        build(tiny_preset)
        counts = []
        for _ in range(3):
            model = build(tiny_preset)
            counts.append(calls(model.backbone))
            spoil(model)
    assert len(set(counts)) == 1
