"""A model in two parts computes what it computed whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.models.groups import layer_groups

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global CannotCut, Cut, cut_model, feature_dtype, joined_trunk, keras

    import keras

    from kfine.models.cutting import CannotCut, Cut, cut_model, feature_dtype, joined_trunk


RANDOM = np.random.default_rng(0)
PHOTOS = RANDOM.normal(size=(3, 32, 32, 3)).astype("float32")
WORDS = {
    "token_ids": RANDOM.integers(1, 30, (3, 10)).astype("int32"),
    "padding_mask": (np.arange(10) < [[10], [4], [7]]).astype("int32"),
    "segment_ids": (np.arange(10) >= [[3], [2], [10]]).astype("int32"),
}
SMALL = {"vocabulary_size": 30, "num_layers": 2, "hidden_dim": 8, "intermediate_dim": 16}


def efficientnet(preset: str) -> Any:
    import keras_hub

    return keras_hub.models.ImageClassifier.from_preset(preset, num_classes=3)


def resnet() -> Any:
    from keras_hub import models

    backbone = models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
    )
    return models.ResNetImageClassifier(backbone, num_classes=3)


def vit() -> Any:
    from keras_hub import models

    backbone = models.ViTBackbone(
        (32, 32, 3), patch_size=16, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16
    )
    return models.ViTImageClassifier(backbone, num_classes=3)


def bert() -> Any:
    from keras_hub import models

    backbone = models.BertBackbone(num_heads=2, max_sequence_length=10, **SMALL)
    return models.BertTextClassifier(backbone, num_classes=3)


def roberta() -> Any:
    from keras_hub import models

    backbone = models.RobertaBackbone(num_heads=2, max_sequence_length=10, **SMALL)
    return models.RobertaTextClassifier(backbone, num_classes=3)


def llama(tied: bool = False) -> Any:
    from keras_hub import models

    backbone = models.LlamaBackbone(
        num_query_heads=2, num_key_value_heads=1, tie_word_embeddings=tied, **SMALL
    )
    return models.LlamaCausalLM(backbone)


def tied_llama() -> Any:
    return llama(tied=True)


FAMILIES = {one.__name__: one for one in (resnet, vit, bert, roberta, llama, tied_llama)}


@pytest.fixture(scope="module")
def families(tiny_preset: str) -> dict[str, Any]:
    """A model of each family."""
    keras.utils.set_random_seed(3)
    return {"efficientnet": efficientnet(tiny_preset)} | {
        name: make() for name, make in FAMILIES.items()
    }


def examples_for(model: Any) -> Any:
    if not isinstance(model.input, dict):
        return PHOTOS
    return {name: WORDS[name] for name in model.input}


def cuts_of(model: Any) -> list[Cut]:
    """The cuts at all depths, from the head toward the input."""
    groups = layer_groups(model)
    return [cut_model(model, groups, depth) for depth in range(len(groups) - 1)]


def crossing(cut: Cut) -> list[tuple[str, int]]:
    """Kind and rank of what crosses a cut."""
    return [
        (np.dtype(keras.backend.standardize_dtype(one.dtype)).kind, len(one.shape))
        for one in cut.trunk.outputs
    ]


@pytest.mark.parametrize("family", ["efficientnet", *FAMILIES])
def test_the_suffix_of_the_trunk_is_the_model_at_every_depth(
    families: dict[str, Any], family: str
) -> None:
    model = families[family]
    examples = examples_for(model)
    whole = model(examples, training=False)
    cuts = cuts_of(model)
    assert [cut.name for cut in cuts] == [one.name for one in reversed(layer_groups(model)[1:])]
    for cut in cuts:
        parts = cut.suffix(cut.trunk(examples, training=False), training=False)
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6, err_msg=cut.name)


@pytest.mark.parametrize("family", ["efficientnet", "bert", "llama"])
def test_trunk_and_suffix_share_the_layers_of_the_model(
    families: dict[str, Any], family: str
) -> None:
    model = families[family]
    own = {id(variable) for variable in model.weights}
    for cut in cuts_of(model):
        parts = {id(variable) for part in (cut.trunk, cut.suffix) for variable in part.weights}
        assert parts == own
        groups = [group.name for group in layer_groups(model)]
        frozen = layer_groups(model)[: groups.index(cut.name)]
        below = {id(variable) for group in frozen for variable in group.weights}
        assert {id(variable) for variable in cut.trunk.weights} == below
        assert {id(variable) for layer in cut.layers for variable in layer.weights} == below


@pytest.mark.parametrize("family", ["resnet", "bert"])
def test_one_joined_trunk_gives_the_features_of_all_cuts_and_runs_each_layer_once(
    families: dict[str, Any], family: str
) -> None:
    model = families[family]
    cuts = cuts_of(model)
    joined = joined_trunk(cuts)
    examples = examples_for(model)
    expected = [one for cut in cuts for one in keras.tree.flatten(cut.trunk(examples))]
    for found, one in zip(joined(examples), expected, strict=True):
        np.testing.assert_allclose(found, one, rtol=1e-6)
    calls = [node.operation for nodes in joined._nodes_by_depth.values() for node in nodes]
    with_weights = [one for one in calls if getattr(one, "weights", None)]
    assert len(with_weights) == len({id(one) for one in with_weights})


@pytest.mark.parametrize("family", ["efficientnet", "resnet", "bert", "roberta", "vit"])
def test_a_pooled_tensor_crosses_before_the_head(families: dict[str, Any], family: str) -> None:
    assert crossing(cuts_of(families[family])[0]) == [("f", 2)]


def test_one_tensor_crosses_inside_a_convolutional_network(families: dict[str, Any]) -> None:
    for cut in cuts_of(families["efficientnet"])[1:]:
        assert crossing(cut) == [("f", 4)]


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_the_padding_mask_crosses_with_the_activations(
    families: dict[str, Any], family: str
) -> None:
    model = families[family]
    cut = next(one for one in cuts_of(model) if one.name == "transformer_layer_1")
    assert crossing(cut) == [("f", 3), ("i", 2)]
    activations, mask = cut.trunk(examples_for(model))
    np.testing.assert_array_equal(mask, WORDS["padding_mask"])
    masked, unmasked = (cut.suffix((activations, one)) for one in (mask, mask * 0 + 1))
    assert not np.allclose(masked, unmasked)


def test_a_layer_that_runs_below_and_above_the_cut_runs_twice(families: dict[str, Any]) -> None:
    """A tied embedding gives the first feature and the last logits."""
    model = families["tied_llama"]
    deepest = cuts_of(model)[-1]
    embedding = model.backbone.token_embedding
    assert deepest.layers == (embedding,)
    assert embedding in deepest.suffix.layers


def test_masks_and_token_ids_keep_their_type_whatever_activations_are_stored_as() -> None:
    assert feature_dtype("float32", "float16") == np.float16
    assert feature_dtype("bfloat16", "float32") == np.float32
    assert feature_dtype("int32", "float16") == np.int32
    assert feature_dtype("bool", "float16") == np.bool_


def test_pooling_of_the_head_belongs_to_the_trunk_and_its_dropout_does_not(
    families: dict[str, Any],
) -> None:
    cut = cuts_of(families["efficientnet"])[0]
    kinds = [type(one).__name__ for one in cut.suffix.layers]
    assert kinds == ["InputLayer", "Dropout", "Dense"]


def test_of_equal_places_that_with_fewer_bytes_is_chosen() -> None:
    layers = keras.layers
    inputs = keras.Input((16,))
    narrow = layers.Dense(4, name="frozen")(inputs)
    wide = layers.RepeatVector(9)(narrow)
    model = keras.Model(inputs, layers.Dense(2, name="trains")(layers.Flatten()(wide)))
    cut = cut_model(model, layer_groups(model), 0)
    assert cut.trunk.output.shape == (None, 4)


def test_a_nested_model_with_several_inputs_and_a_skip_around_it_is_cut() -> None:
    layers = keras.layers
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    joined = layers.Dense(6, name="low")(layers.Concatenate()([left, right]))
    inner = keras.Model([left, right], layers.Dense(6, name="high")(joined), name="inner")
    first, second = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    both = layers.Concatenate()([inner([first, second]), second])
    model = keras.Model({"a": first, "b": second}, layers.Dense(2, name="last")(both))
    groups = layer_groups(model)
    examples = {"a": PHOTOS[:, 0, :4, 0], "b": PHOTOS[:, 1, :4, 0]}
    whole = model(examples)
    cut = cut_model(model, groups, 0)
    np.testing.assert_allclose(cut.suffix(cut.trunk(examples)), whole, rtol=1e-6)


def test_a_model_that_is_no_graph_says_that_it_cannot_be_cut() -> None:
    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = keras.layers.Dense(3), keras.layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            return self.second(self.first(inputs))

    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    with pytest.raises(CannotCut, match="Subclassed is no graph of layers"):
        cut_model(model, layer_groups(model), 0)


def test_a_model_without_frozen_groups_has_no_trunk(families: dict[str, Any]) -> None:
    model = families["bert"]
    groups = layer_groups(model)
    with pytest.raises(CannotCut, match="every layer group trains"):
        cut_model(model, groups, len(groups) - 1)


def test_a_trainable_layer_at_the_input_leaves_nothing_to_cut() -> None:
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    between = keras.layers.Dense(4, name="between")(shared(inputs))
    model = keras.Model(inputs, shared(between))
    first, last = layer_groups(model)
    with pytest.raises(CannotCut, match="no frozen layer with weights"):
        cut_model(model, [last, first], 0)


def test_a_task_that_was_cut_is_saved_and_reloaded_as_before(
    tiny_preset: str, tmp_path: Path
) -> None:
    task = efficientnet(tiny_preset)
    config = task.get_config()
    before = task(PHOTOS, training=False)
    cuts_of(task)
    assert task.get_config() == config
    np.testing.assert_array_equal(task(PHOTOS, training=False), before)
    task.save(tmp_path / "task.keras")
    reloaded = keras.models.load_model(tmp_path / "task.keras", compile=False)
    np.testing.assert_allclose(reloaded(PHOTOS, training=False), before, rtol=1e-6)
    task.save_to_preset(tmp_path / "preset")
    from_preset = efficientnet(str(tmp_path / "preset"))
    assert len(from_preset.weights) == len(task.weights)
