"""Which layers get adapters."""

from __future__ import annotations

from typing import Any

import pytest

from kfine.adapters.options import AdapterOptions
from kfine.errors import ConfigError
from kfine.models.groups import layer_groups

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global add_to_backbone, fold_adapters, reach_of_adapters

    from kfine.adapters.adding import add_to_backbone, reach_of_adapters
    from kfine.adapters.attaching import fold_adapters


@pytest.fixture(scope="module")
def encoder(tiny_text_preset: str) -> Any:
    from kfine.models.text_heads import text_classifier
    from kfine.presets import find_preset

    return text_classifier(find_preset(tiny_text_preset), 2)


@pytest.fixture(scope="module")
def network(tiny_preset: str) -> Any:
    from kfine.models.image_heads import image_model
    from kfine.presets import find_preset

    return image_model(find_preset(tiny_preset), 3, dropout=0.2, pooling="last")


def placed(model: Any, method: str = "lora", **options: Any) -> tuple[list[str], int]:
    """The layers that get adapters, and down to which group; they are taken away again."""
    groups = layer_groups(model)
    found = add_to_backbone(groups, AdapterOptions(method, rank=2, **options), 0)
    reach = reach_of_adapters(groups)
    fold_adapters([model])
    return [one.path for one in found], reach


LAYERS = ("transformer_layer_0", "transformer_layer_1")
ATTENTION = {"query", "key", "value", "attention_output"}
MLP = {"feedforward_intermediate_dense", "feedforward_output_dense"}


def paths(names: set[str]) -> set[str]:
    return {f"{layer}/{name}" for layer in LAYERS for name in names}


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("", ATTENTION | MLP),
        ("attention", ATTENTION),
        ("mlp", MLP),
        ("all", ATTENTION | MLP),
        ("query, value", {"query", "value"}),
        ("feedforward*", MLP),
        ("attention,*output_dense", ATTENTION | {"feedforward_output_dense"}),
    ],
)
def test_families_names_and_patterns_of_a_transformer(
    encoder: Any, targets: str, expected: set[str]
) -> None:
    found, reach = placed(encoder, targets=targets)
    assert set(found) == paths(expected)
    assert reach == 2


def test_a_group_and_a_path_name_layers_too(encoder: Any) -> None:
    found, reach = placed(encoder, targets="transformer_layer_1")
    assert {one.split("/")[0] for one in found} == {"transformer_layer_1"} and len(found) == 6
    assert reach == 1
    assert placed(encoder, targets="*_0/query")[0] == ["transformer_layer_0/query"]


def test_keys_values_and_what_comes_after_the_inner_activations_for_ia3(encoder: Any) -> None:
    found, _ = placed(encoder, "ia3")
    assert {one.split("/")[1] for one in found} == {"key", "value"} | MLP


def test_a_network_without_attention_gets_them_on_its_convolutions(network: Any) -> None:
    found, reach = placed(network)
    names = {one.split("/")[-1] for one in found}
    assert any("dwconv" in one or "depthwise" in one for one in names)
    assert any("stem" in one for one in found)
    assert reach == len(layer_groups(network)) - 1


def test_biases_and_norms_are_of_all_layers_that_have_them(encoder: Any) -> None:
    found, reach = placed(encoder, "norms")
    assert {"transformer_layer_0/self_attention_layer_norm"} <= set(found)
    assert not {one for one in found if one.endswith("query")}
    assert reach == 3, "the norm behind the embedding too"
    biased, _ = placed(encoder, "bitfit")
    assert set(found) < set(biased) and set(biased) >= paths(ATTENTION)


def test_groups_that_train_as_a_whole_are_told_apart(encoder: Any) -> None:
    found, reach = placed(encoder, whole_groups=1)
    assert {one.split("/")[0] for one in found} == {"transformer_layer_0"}
    assert reach == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"targets": "conv"}, r"there are families attention, embedding, mlp; layers .*'conv'"),
        ({"targets": "querry"}, "the nearest is 'query'. Received: 'querry'"),
        ({"targets": "attention,nothing*"}, r"Received: 'nothing\*'"),
        ({"whole_groups": 3}, "leaves no group for adapters; the backbone has 3"),
        ({"method": "ia3", "targets": "query"}, "suits none of the layers"),
        ({"method": "dora", "targets": "embedding"}, "is no method for an embedding"),
    ],
)
def test_what_matches_nothing_is_refused_with_what_there_is(
    encoder: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        placed(encoder, **options)
    from kfine.adapters.attaching import adapted_layers

    assert not adapted_layers([encoder])
