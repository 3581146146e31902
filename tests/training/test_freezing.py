"""A freeze is a fact about weights, not a flag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kfine.console import Console
from kfine.models.groups import is_batch_norm, layer_groups
from kfine.training.freezing import apply_stage, changes, freeze, release, trains, unfreeze
from kfine.training.proof import FreezeBroken, check_movement, group_digests

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global run_stages

    from kfine.training.engine import run_stages


quiet = Console(quiet=True)


def copies(group: Any) -> list[np.ndarray]:
    return [v.numpy() for v in group.weights if "seed_generator" not in v.path]


def moved(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    return any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_frozen_groups_do_not_move_and_unfrozen_ones_do_stage_by_stage(
    make_job: Callable[..., Any],
) -> None:
    job = make_job()
    for stage in job.stages:
        apply_stage(job.model, job.groups, stage.depth)
        before = [copies(group) for group in job.groups]
        job.model.fit(job.batches.dataset(), verbose=0, shuffle=False)
        changed = [moved(old, copies(group)) for old, group in zip(before, job.groups, strict=True)]
        frozen = len(job.groups) - 1 - stage.depth
        assert changed == [False] * frozen + [True] * (stage.depth + 1)


def test_frozen_batch_norm_inside_composite_blocks_keeps_its_statistics(
    make_job: Callable[..., Any],
) -> None:
    def statistics(job: Any) -> list[np.ndarray]:
        leaves = [leaf for group in job.groups for leaf in group.leaves()]
        norms = [leaf for leaf in leaves if is_batch_norm(leaf) and leaf.built]
        assert len(norms) >= 8
        return [norm.moving_mean.numpy() for norm in norms]

    for policy, expected in (("frozen", False), ("train", True)):
        job = make_job(unfreeze="all", batch_norm=policy)
        before = statistics(job)
        job.model.fit(job.batches.dataset(), verbose=0, shuffle=False)
        changed = [not np.array_equal(a, b) for a, b in zip(before, statistics(job), strict=True)]
        assert changed == [expected] * len(changed)


def test_a_frozen_backbone_gives_the_same_features_in_training(tiny_preset: str) -> None:
    import keras_hub

    task = keras_hub.models.ImageClassifier.from_preset(tiny_preset, num_classes=3)
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("float32")
    quietly = task.backbone(images, training=False).numpy()
    for group in layer_groups(task)[:-1]:
        freeze(group)
    assert np.array_equal(quietly, task.backbone(images, training=True).numpy())
    release(task)
    for group in layer_groups(task)[:-1]:
        unfreeze(group, batch_norm="frozen")
    assert not np.allclose(quietly, task.backbone(images, training=True).numpy())


def test_a_layer_keeps_a_call_of_its_own_once_it_is_released() -> None:
    import keras

    layer = keras.layers.Dropout(0.5)
    plain, told = layer.call, []

    def own(inputs: Any, training: Any = None) -> Any:
        told.append(training)
        return plain(inputs, training=training)

    layer.call = own
    model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(1)])
    told.clear()
    freeze(model)
    model(np.ones((1, 3)), training=True)
    freeze(model)
    release(model)
    assert told == [False] and layer.call is own
    model(np.ones((1, 3)), training=True)
    assert told == [False, True]


def test_keras_still_fires_dropout_of_a_layer_that_is_not_trainable(tiny_preset: str) -> None:
    """The fact of the stack that `freeze` is there for."""
    import keras_hub

    task = keras_hub.models.ImageClassifier.from_preset(tiny_preset, num_classes=3)
    task.backbone.trainable = False
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("float32")
    first, second = (task.backbone(images, training=True).numpy() for _ in range(2))
    assert not np.allclose(first, second)


def test_the_optimizer_keeps_its_state_through_the_stages(make_job: Callable[..., Any]) -> None:
    job = make_job()
    optimizer = job.model.optimizer
    apply_stage(job.model, job.groups, 0)
    job.model.fit(job.batches.dataset(), verbose=0, shuffle=False)
    head = job.groups[-1].layers[-1].kernel
    momentum = optimizer._momentums[optimizer._get_variable_index(head)]
    before, steps = momentum.numpy(), int(optimizer.iterations)
    assert np.abs(before).max() > 0
    apply_stage(job.model, job.groups, 2)
    assert np.array_equal(before, momentum.numpy())
    job.model.fit(job.batches.dataset().take(1), verbose=0, shuffle=False)
    assert int(optimizer.iterations) == steps + 1


def test_never_trained_variables_get_no_moments(make_job: Callable[..., Any]) -> None:
    job = make_job(unfreeze="none")
    assert {v.path for v in job.model.optimizer._trainable_variables} == {
        v.path for v in job.groups[-1].weights if "seed_generator" not in v.path
    }


def test_the_proof_stops_a_run_whose_frozen_group_moved(make_job: Callable[..., Any]) -> None:
    job = make_job()
    apply_stage(job.model, job.groups, 1)
    before = group_digests(job.groups)
    kernel = job.groups[0].weights[0]
    kernel.assign(kernel + 1e-3)
    with pytest.raises(FreezeBroken, match="stem"):
        check_movement(job.groups, 1, before)


def test_the_proof_stops_a_run_whose_training_group_stayed(make_job: Callable[..., Any]) -> None:
    job = make_job()
    apply_stage(job.model, job.groups, 1)
    with pytest.raises(FreezeBroken, match="did not move"):
        check_movement(job.groups, 1, group_digests(job.groups))


def test_a_group_of_batch_norm_alone_is_reported_not_failed() -> None:
    import keras

    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(4, name="dense")(inputs)
    norm = keras.layers.BatchNormalization(name="norm")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(norm))
    groups = layer_groups(model)
    assert [group.name for group in groups] == ["dense", "norm", "head"]
    apply_stage(model, groups, 1)
    before = group_digests(groups)
    head = groups[-1].layers[0].kernel
    head.assign(head + 1)
    movement = check_movement(groups, 1, before)
    assert movement.moved == ("head",)
    assert movement.only_batch_norm == ("norm",)
    assert "BatchNorm in: norm" in movement.sentence()


def test_a_run_says_what_moved(make_job: Callable[..., Any], capsys: Any) -> None:
    run_stages(make_job(), checkpoints=None, console=Console())
    said = capsys.readouterr().err
    assert "stage 1 of 3 (epochs 1 to 1): training the head alone" in said
    assert "stage 3 of 3 (epochs 3 to 3): unfreezing block2b to top" in said
    assert "moved: block2b, block3a, top, head; 3 frozen groups are bit for bit the same" in said


def test_a_stage_of_a_single_step_moves_its_groups(make_job: Callable[..., Any]) -> None:
    job = make_job(batch_size=512, warmup_epochs=2.0)
    assert job.batches.steps == 1
    history, _ = run_stages(job, checkpoints=None, console=quiet)
    assert len(history) == 3


@pytest.fixture
def adapted(tiny_text_preset: str) -> Any:
    """A classifier of texts whose encoder has adapters of rank 2, and its groups."""
    from kfine.models.text_heads import text_classifier
    from kfine.presets import find_preset

    model = text_classifier(find_preset(tiny_text_preset), 2)
    for layer in model._flatten_layers():
        if type(layer).__name__ in ("EinsumDense", "Dense") and layer.name in ("query", "value"):
            layer.enable_lora(2)
    return model, layer_groups(model)


def test_after_enable_lora_of_the_backbone_only_adapters_train(adapted: Any) -> None:
    import keras

    model, groups = adapted
    apply_stage(model, groups, len(groups) - 1)
    trained = {one.path for one in model.trainable_variables}
    assert trained == {one.path for one in trains(groups, len(groups) - 1)}
    head = {one.path for one in groups[-1].weights}
    assert head <= trained
    assert {path.split("/")[-1][:5] for path in trained - head} == {"lora_"}

    model.compile(keras.optimizers.AdamW(0.01), "mse")
    before = [copies(group) for group in groups]
    digests = group_digests(groups)
    rows = {
        "token_ids": np.ones((8, 6), "int32"),
        "segment_ids": np.zeros((8, 6), "int32"),
        "padding_mask": np.ones((8, 6), "int32"),
    }
    # The second matrix of an adapter begins at zero, so the first moves from the second step on.
    model.fit(rows, np.eye(2)[np.arange(8) % 2], epochs=3, verbose=0)
    for group, old in zip(groups[:-1], before[:-1], strict=True):
        variables = [one for one in group.weights if "seed_generator" not in one.path]
        for variable, value in zip(variables, old, strict=True):
            is_adapter = "lora_" in variable.path
            assert np.array_equal(variable.numpy(), value) != is_adapter, variable.path
    moved_groups = check_movement(groups, len(groups) - 1, digests).moved
    assert "head" in moved_groups and "transformer_layer_0" in moved_groups


def test_the_proof_stops_a_run_that_moved_what_adapters_were_put_on(adapted: Any) -> None:
    model, groups = adapted
    apply_stage(model, groups, len(groups) - 1)
    before = group_digests(groups)
    for one in model.trainable_variables:
        one.assign(one + 1e-3)
    (kernel,) = [
        one
        for one in groups[1].weights
        if one.path.endswith("query/kernel") and "lora" not in one.path
    ]
    check_movement(groups, len(groups) - 1, before)
    kernel.assign(kernel + 1e-3)
    with pytest.raises(FreezeBroken, match="Frozen weights of groups that train"):
        check_movement(groups, len(groups) - 1, before)


def test_a_checkpoint_holds_what_trained_and_nothing_else(
    adapted: Any, make_job: Callable[..., Any]
) -> None:
    _, groups = adapted
    held = {one.path for one in changes(groups, len(groups) - 1)}
    assert held == {one.path for one in trains(groups, len(groups) - 1)}
    job = make_job(unfreeze="all", batch_norm="train")
    kinds = {one.path.split("/")[-1] for one in changes(job.groups, 6, batch_norm="train")}
    assert {"moving_mean", "moving_variance", "gamma"} <= kinds
    assert not {"moving_mean", "gamma"} & {
        one.path.split("/")[-1] for one in changes(job.groups, 6)
    }
