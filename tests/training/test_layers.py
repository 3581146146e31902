"""Freezing and rates in anybody's `model.fit`: what moved is asked of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.errors import ConfigError

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global keras, tf

    import keras
    import tensorflow as tf


DATA = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")


def plain_model(compiled: bool = True) -> keras.Model:
    """Three groups with weights, `first`, `norm` and `head`, and dropout between them."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(4, name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dropout(0.5, name="dropout"),
            keras.layers.Dense(4, name="last"),
        ]
    )
    if compiled:
        model.compile("adam", "mse")
    return model


def moved(model: keras.Model, **options: Any) -> set[str]:
    """Names of the layers that an epoch changes, statistics included."""
    before = {layer.name: layer.get_weights() for layer in model.layers}
    model.fit(DATA, DATA, verbose=0, **options)
    return {
        layer.name
        for layer in model.layers
        if "dropout" not in layer.name
        and not all(map(np.array_equal, before[layer.name], layer.get_weights()))
    }


def test_frozen_layers_do_not_move_and_unfrozen_ones_do_again() -> None:
    model = plain_model(compiled=False)
    for name in ("first", "norm"):
        kfine.freeze(model.get_layer(name))
    model.compile("adam", "mse")
    assert moved(model) == {"last"}
    kfine.unfreeze(model.get_layer("first"))
    kfine.unfreeze(model.get_layer("norm"))
    model.compile("adam", "mse")
    assert moved(model) == {"first", "last"}
    kfine.unfreeze(model.get_layer("norm"), batch_norm="train")
    model.compile("adam", "mse")
    assert moved(model) == {"first", "norm", "last"}


def test_a_frozen_layer_drops_nothing_in_training() -> None:
    model = plain_model()
    trained = [np.asarray(model(DATA, training=True)) for _ in range(2)]
    assert not np.array_equal(*trained)
    kfine.freeze(model)
    assert np.array_equal(model(DATA, training=True), model(DATA, training=False))
    kfine.unfreeze(model)
    trained = [np.asarray(model(DATA, training=True)) for _ in range(2)]
    assert not np.array_equal(*trained)


def test_freezing_a_compiled_model_reaches_its_next_fit() -> None:
    model = plain_model()
    assert moved(model) == {"first", "norm", "last"}
    kfine.freeze(model)
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        assert moved(model) == set()
    kfine.unfreeze(model, batch_norm="train")
    assert moved(model) == {"first", "norm", "last"}


def test_keras_goes_on_training_a_layer_that_is_frozen_after_compile() -> None:
    """The fact of the stack that the docstring of `freeze` warns of."""
    model = plain_model()
    moved(model)
    kfine.freeze(model.get_layer("first"))
    assert "first" in moved(model)
    model.compile("adam", "mse")
    assert "first" not in moved(model)


def test_a_loaded_model_has_lost_the_inference_mode(tmp_path: Any) -> None:
    """The limit that the docstring of `freeze` states."""
    model = plain_model()
    kfine.freeze(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.trainable_variables == []
    assert not np.array_equal(loaded(DATA, training=True), loaded(DATA, training=False))


def test_freeze_to_trains_the_group_and_all_above_it() -> None:
    model = plain_model()
    assert [group.name for group in kfine.layer_groups(model)] == ["first", "norm", "head"]
    for name, batch_norm, expected in (
        ("first", "train", {"first", "norm", "last"}),
        ("norm", "train", {"norm", "last"}),
        ("norm", "frozen", {"last"}),
        ("head", "train", {"last"}),
        ("first", "frozen", {"first", "last"}),
    ):
        kfine.freeze_to(model, name, batch_norm)
        assert moved(model) == expected, name


def test_freeze_to_knows_the_blocks_of_a_backbone(tiny_preset: str) -> None:
    import keras_hub

    task = keras_hub.models.ImageClassifier.from_preset(tiny_preset, num_classes=3)
    task.preprocessor = None
    groups = kfine.layer_groups(task)
    names = [group.name for group in groups]
    kfine.freeze_to(task, "block2b")
    task.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [[weight.numpy() for weight in group.weights] for group in groups]
    images = np.random.default_rng(0).normal(size=(8, 32, 32, 3)).astype("float32")
    task.fit(images, np.arange(8) % 3, verbose=0, shuffle=False)
    changed = [
        any(
            not np.array_equal(old, new.numpy())
            for old, new in zip(olds, group.weights, strict=True)
        )
        for olds, group in zip(before, groups, strict=True)
    ]
    lowest = names.index("block2b")
    assert lowest > 0
    assert changed == [False] * lowest + [True] * (len(names) - lowest)


def test_a_frozen_backbone_does_not_move_while_the_head_does(tiny_preset: str) -> None:
    import keras_hub

    task = keras_hub.models.ImageClassifier.from_preset(tiny_preset, num_classes=3)
    task.preprocessor = None
    kfine.freeze(task.backbone)
    task.compile(kfine.layerwise_adamw(task), task.loss)
    before = task.backbone.get_weights(), task.output_dense.get_weights()
    images = np.random.default_rng(0).normal(size=(8, 32, 32, 3)).astype("float32")
    task.fit(images, np.arange(8) % 3, verbose=0, shuffle=False)
    after = task.backbone.get_weights(), task.output_dense.get_weights()
    assert all(map(np.array_equal, before[0], after[0]))
    assert not any(map(np.array_equal, before[1], after[1]))
    features = [np.asarray(task.backbone(images, training=one)) for one in (True, False)]
    assert np.array_equal(*features)


def test_an_unknown_group_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no layer group 'frist'; the nearest is 'first'\."):
        kfine.freeze_to(plain_model(), "frist")
    with pytest.raises(ConfigError, match=r"no layer group '7'; there are: first, norm, head\."):
        kfine.freeze_to(plain_model(), "7")


def test_what_cannot_be_frozen_is_refused_in_one_sentence() -> None:
    unbuilt = keras.Sequential([keras.layers.Dense(2)], name="later")
    with pytest.raises(ConfigError, match=r"freeze takes a Keras model or layer\. Received: 'all'"):
        kfine.freeze("all")
    with pytest.raises(ConfigError, match=r"freeze_to takes a Keras model\. Received"):
        kfine.freeze_to(keras.layers.Dense(2), "head")
    for call in (kfine.unfreeze, kfine.layerwise_adamw, lambda one: kfine.freeze_to(one, "head")):
        with pytest.raises(ConfigError, match="needs weights, and 'later' has none yet"):
            call(unbuilt)
    with pytest.raises(ConfigError, match=r"one of frozen, train\. Received: 'x'"):
        kfine.unfreeze(plain_model(), batch_norm="x")
    with pytest.raises(ConfigError, match=r"backbone_rate must be above 0\. Received: 0"):
        kfine.layerwise_adamw(plain_model(), backbone_rate=0)


def test_layerwise_adamw_moves_lower_groups_less() -> None:
    """The first step of Adam is the learning rate in size, whatever the gradient."""
    model = plain_model(compiled=False)
    optimizer = kfine.layerwise_adamw(
        model, 1e-2, backbone_rate=0.1, layerwise_decay=0.5, weight_decay=0.0
    )
    model.compile(optimizer, "mse")
    first, last = model.get_layer("first"), model.get_layer("last")
    before = first.kernel.numpy(), last.kernel.numpy()
    model.fit(DATA, DATA, batch_size=len(DATA), verbose=0)
    steps = [
        np.median(np.abs(layer.kernel.numpy() - old))
        for layer, old in zip((first, last), before, strict=True)
    ]
    # `norm` lies between: the rate of `first` is 1e-2 * 0.1 * 0.5.
    assert steps == pytest.approx([5e-4, 1e-2], rel=0.02)


@pytest.mark.parametrize(
    ("schedule", "expected"), [("2:1", {"last"}), ("2:1,3:2", {"first", "last"})]
)
def test_layerwise_adamw_goes_with_gradual_unfreezing(schedule: str, expected: set[str]) -> None:
    model = plain_model(compiled=False)
    model.compile(kfine.layerwise_adamw(model), "mse")
    assert moved(model, epochs=3, callbacks=[kfine.GradualUnfreezing(schedule)]) == expected


def convolutional(compiled: bool = False) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, name="first"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Conv2D(6, 3, activation="relu", name="second"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(3, name="last"),
        ]
    )
    if compiled:
        model.compile("adam", "mse")
    return model


IMAGES = np.random.default_rng(1).normal(size=(40, 8, 8, 3)).astype("float32")


@pytest.mark.usefixtures("fresh_cache")
def test_cached_features_train_the_same_weights_as_the_whole_model() -> None:
    labels = np.random.default_rng(2).integers(0, 3, 40)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    whole, cut = convolutional(), convolutional()
    for model in (whole, cut):
        kfine.freeze_to(model, "head")
        # Random dropout would differ.
        model.layers[-2].rate = 0.0
    found = kfine.cached_features(cut, IMAGES[:30], IMAGES[30:], precision="float32")
    assert [one.shape for one in found.features] == [(30, 6), (10, 6)]
    np.testing.assert_allclose(
        found.model.predict(found.features[1], verbose=0),
        whole.predict(IMAGES[30:], verbose=0),
        atol=1e-5,
    )
    for model, rows in ((whole, IMAGES[:30]), (found.model, found.features[0])):
        model.compile(keras.optimizers.SGD(0.1), loss)
        model.fit(rows, labels[:30], epochs=3, shuffle=False, verbose=0)
    learned, expected = cut.get_layer("last").get_weights(), whole.get_layer("last").get_weights()
    assert not np.allclose(learned[0], convolutional().get_layer("last").get_weights()[0])
    for one, other in zip(learned, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.usefixtures("fresh_cache")
def test_a_dataset_gives_the_features_of_its_examples_with_their_targets() -> None:
    model = convolutional()
    kfine.freeze_to(model, "second")
    labels, weights = np.arange(40), np.linspace(0, 1, 40).astype("float32")
    (arrays,) = kfine.cached_features(model, IMAGES).features
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, labels, weights))
    shuffled = dataset.shuffle(40, reshuffle_each_iteration=True).batch(7)
    found = kfine.cached_features(model, shuffled, tf.data.Dataset.from_tensors(IMAGES[:5]))
    (features, targets, sample_weights), alone = found.features
    assert not np.array_equal(targets, labels)
    np.testing.assert_array_equal(features, arrays[targets])
    np.testing.assert_array_equal(sample_weights, weights[targets])
    np.testing.assert_array_equal(alone, arrays[:5])
    np.testing.assert_allclose(
        found.model.predict(features, verbose=0),
        model.predict(IMAGES[targets], verbose=0),
        atol=1e-3,
    )
    found.model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    pair = (features, targets % 3)
    found.model.fit(*pair, validation_data=pair, epochs=1, verbose=0)


@pytest.mark.usefixtures("fresh_cache")
def test_a_dataset_may_have_several_inputs_and_targets() -> None:
    one, two = keras.Input((3,), name="one"), keras.Input((2,), name="two")
    joined = keras.layers.Concatenate()(
        [keras.layers.Dense(4, name="first")(one), keras.layers.Dense(4, name="second")(two)]
    )
    model = keras.Model({"one": one, "two": two}, keras.layers.Dense(1, name="last")(joined))
    kfine.freeze_to(model, "head")
    inputs = {"one": DATA[:, :3], "two": DATA[:, 2:]}
    targets = {"a": DATA[:, 0], "b": DATA[:, 1]}
    batches = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(5)
    found = kfine.cached_features(model, inputs, batches, precision="float32")
    arrays, (features, given) = found.features
    np.testing.assert_array_equal(arrays, features)
    np.testing.assert_array_equal(given["b"], targets["b"])
    whole = model.predict(inputs, verbose=0)
    np.testing.assert_allclose(found.model.predict(features, verbose=0), whole, atol=1e-6)


@pytest.mark.usefixtures("fresh_cache")
def test_cached_features_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from kfine.data.row_cache import RowCache

    computed: list[int] = []
    write = RowCache.write
    monkeypatch.setattr(
        RowCache, "write", lambda *given: (computed.append(len(given[1])), write(*given))
    )
    model = convolutional()
    model.get_layer("first").trainable = False
    first = kfine.cached_features(model, IMAGES[:30]).features[0]
    assert sum(computed) == 30
    again = kfine.cached_features(model, IMAGES).features[0]
    assert sum(computed) == 40, "only those that are new"
    np.testing.assert_array_equal(again[:30], first)


def batches(rows: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(rows).batch(16)


@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: (), "needs the inputs of examples"),
        (lambda: (np.zeros((0, 8, 8, 3)),), r"arrays of one or more examples.*\(0, 8, 8, 3\)"),
        (lambda: (3,), r"Received: \(\)"),
        (lambda: (IMAGES[0],), r"takes batches of \(None, 8, 8, 3\)\. Received: \(8, 8, 3\)"),
        (lambda: (IMAGES[..., :2],), r"takes batches of .* Received: \(40, 8, 8, 2\)"),
        (lambda: (batches(IMAGES).repeat(),), "has to end. Received: an endless one"),
        (lambda: (batches(IMAGES).take(0),), "needs examples. Received: none"),
        (lambda: (batches(["a", "b"]),), r"batches of numbers. Received: shape \(2,\) of object"),
        (lambda: (batches(IMAGES).unbatch(),), r"takes batches of .* Received: \(320, 8, 3\)"),
        (
            lambda: (batches(IMAGES).concatenate(batches(IMAGES[:, 1:])),),
            r"have one shape. Received: \(16, 7, 8, 3\) after \(None, 8, 8, 3\)",
        ),
        (
            lambda: ({"one": np.zeros((2, 3)), "two": np.zeros((3, 3))},),
            r"Received: \(2, 3\), \(3, 3\)",
        ),
    ],
)
def test_inputs_that_have_no_features_are_refused(
    given: Callable[[], tuple[Any, ...]], message: str
) -> None:
    model = convolutional()
    kfine.freeze_to(model, "head")
    with pytest.raises(ConfigError, match=message):
        kfine.cached_features(model, *given())


def test_models_without_a_frozen_part_are_refused() -> None:
    model = convolutional()
    with pytest.raises(ConfigError, match=r"no frozen part .* every layer group trains"):
        kfine.cached_features(model, IMAGES)
    kfine.freeze(model)
    with pytest.raises(ConfigError, match="needs a layer group that trains, and all are frozen"):
        kfine.cached_features(model, IMAGES)
    with pytest.raises(ConfigError, match="precision must be one of auto, float16, float32"):
        kfine.cached_features(model, IMAGES, precision="none")
    with pytest.raises(ConfigError, match="cached_features takes a Keras model"):
        kfine.cached_features(IMAGES, IMAGES)  # type: ignore[arg-type]
