"""Every setting of Config reaches the run: one check per setting, none left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kfine.config import settings_of
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.keras_private import flattened
from kfine.recipe import load_recipe
from kfine.training.data import load_data
from kfine.training.job import build_job
from kfine.training.refit import plan_refit
from kfine.verbs.fit import prepare

# Each differs from the default.
CHANGED: dict[str, Any] = {
    "validation_split": 0.25,
    "test_split": 0.5,
    "image_size": 40,
    "white": 2000,
    "augmentation": "strong",
    "flip": "both",
    "class_weights": "balanced",
    "cache_memory": 0,
    "feature_cache": "float32",
    "augment_views": 2,
    "pooling": "both",
    "dropout": 0.4,
    "epochs": 7,
    "batch_size": 8,
    "accumulate": 2,
    "precision": "mixed_bfloat16",
    "min_steps": 2,
    "learning_rate": 0.02,
    "backbone_rate": 0.5,
    "layerwise_decay": 0.25,
    "warmup_epochs": 2,
    "weight_decay": 0.03,
    "start_decay": 20.0,
    "clip_norm": 0.7,
    "label_smoothing": 0.2,
    "ema": 0.75,
    "early_stopping": 1,
    "head_start": "random",
    "tuned_share": 0.25,
    "refit": "yes",
    "unfreeze": "3:2",
    "batch_norm": "train",
    "seed": 11,
}
# Settings of adapters, which train in place of what `backbone_rate` and others are of.
ADAPTED: dict[str, Any] = {
    "adapter": "rslora",
    "adapter_rank": 4,
    "adapter_alpha": 6.0,
    "adapter_dropout": 0.3,
    "adapter_targets": "block3a",
    "adapter_whole_groups": 1,
    "adapter_rate": 0.25,
    "adapter_second_rate": 8.0,
}

Built = Any


def build(**settings: Any) -> Built:
    quiet = Console(quiet=True)
    module, config = prepare("image_classification", None, settings)
    data = load_data(module, config, quiet)
    prepared = build_job(module, config, data, quiet)
    return SimpleNamespace(config=config, data=data, job=prepared.job, built=prepared.built)


def share(built: Built, split: str) -> float:
    everything = sum(len(one) for one in built.data.splits.values())
    return round(len(built.data.splits[split]) / everything, 2)


def rate_at(built: Built, epoch: float) -> float:
    schedule = built.job.model.optimizer._learning_rate
    return round(float(schedule(epoch * built.job.batches.steps)), 6)


def factors(built: Built) -> list[float]:
    return [round(float(one), 4) for one in built.job.model.optimizer._factors.numpy()[::-1]]


def layer_names(built: Built) -> list[str]:
    return [type(layer).__name__ for layer in built.built.augmentation]


def head_dropout(built: Built) -> list[float]:
    found = [layer for layer in built.job.groups[-1].leaves() if type(layer).__name__ == "Dropout"]
    return [float(layer.rate) for layer in found]


def stem_kernel(built: Built) -> float:
    return float(np.abs(built.job.groups[0].weights[0].numpy()).sum())


def trains_batch_norm(built: Built) -> bool:
    from kfine.training.freezing import apply_stage

    apply_stage(built.job.model, built.job.groups, 2, batch_norm=built.config.batch_norm)
    return any("gamma" in variable.path for variable in built.job.model.trainable_variables)


def first_decision(built: Built) -> Any:
    """How the first stage is fed."""
    from kfine.training.features import Features
    from kfine.training.freezing import apply_stage

    job = built.job
    apply_stage(job.model, job.groups, job.stages[0].depth)
    features = Features(job, Console(quiet=True))
    features.feed(job.stages[0])
    return features.decisions[0]


def adapters(built: Built) -> list[Any]:
    from kfine.adapters.attaching import adapted_layers

    return [adapter for _, adapter in adapted_layers([built.job.model])]


def low_rank(built: Built) -> Any:
    """The first adapter of a low rank, if there is one."""
    found = [one for one in adapters(built) if hasattr(one, "scale")]
    return found[0] if found else SimpleNamespace(scale=None, first=np.zeros(0), dropout=None)


def stopped_epochs(built: Built) -> int:
    """Epochs that a run takes whose validation loss can only rise."""
    from kfine.training.engine import run_stages

    others = np.roll(np.eye(3, dtype=np.float32), 1, axis=1)
    built.job.validation.targets = built.job.validation.targets @ others
    built.job.model.optimizer._factors.assign([1.0] * len(built.job.groups))
    history, _ = run_stages(built.job, checkpoints=None, console=Console(quiet=True))
    return len(history)


# What is looked at in a built run, and what it is with the values above; `preset` and `data` are
# those of the fixtures.
def backbone_policy(b: Built) -> str:
    return str(b.job.groups[0].layers[-1].dtype_policy.name)


CHECKS: dict[str, tuple[Callable[[Built], Any], Any]] = {
    "data": (lambda b: b.data.class_names, ("one", "two", "zero")),
    "validation_split": (lambda b: share(b, "validation"), 0.25),
    "test_split": (lambda b: share(b, "test"), 0.5),
    "image_size": (lambda b: b.data.train.inputs.shape[1:3], (40, 40)),
    "white": (lambda b: b.built.input.white, 2000),
    "augmentation": (lambda b: "RandomErasing" in layer_names(b), True),
    "flip": (lambda b: b.built.augmentation[0].flip, "both"),
    # Mixed examples have neither weights nor cached views, so that a run of its own shows it.
    "mix": (lambda b: layer_names(b)[-1], "CutMix"),
    "class_weights": (lambda b: b.job.batches.sample_weights is not None, True),
    "cache_memory": (lambda b: b.data.train.inputs._store.in_memory, False),
    "feature_cache": (lambda b: first_decision(b).dtype, "float32"),
    "augment_views": (lambda b: first_decision(b).views, 2),
    "preset": (stem_kernel, None),
    # Rows of two data sets are not those that the other checks count.
    "rehearse": (lambda b: len(b.job.batches) - len(b.data.train), 20),
    # What becomes of the examples is in tests/data/test_clean_list.py.
    "exclude": (lambda b: b.data.cleaned.get("excluded"), None),
    "relabel": (lambda b: b.data.cleaned.get("relabelled"), None),
    "pooling": (lambda b: "layers" in [one.name for one in b.job.groups[-1].layers], True),
    "dropout": (head_dropout, [0.4]),
    "epochs": (lambda b: b.job.stages[-1].end_epoch, 7),
    "min_steps": (lambda b: b.job.batches.min_steps, 2),
    "accumulate": (lambda b: "train_step" in vars(b.job.model), True),
    "precision": (backbone_policy, "mixed_bfloat16"),
    "batch_size": (lambda b: len(next(iter(b.job.batches.dataset()))[0]), 8),
    "learning_rate": (lambda b: rate_at(b, b.config.warmup_epochs), 0.02),
    "backbone_rate": (lambda b: factors(b)[1], 0.5),
    "layerwise_decay": (lambda b: round(factors(b)[2] / factors(b)[1], 4), 0.25),
    # Ten steps of warm-up, from a tenth of the rate.
    "warmup_epochs": (lambda b: round(rate_at(b, 1) / rate_at(b, 2), 4), 0.55),
    "weight_decay": (lambda b: b.job.model.optimizer.weight_decay, 0.03),
    "start_decay": (lambda b: b.job.model.optimizer.start_decay, 20.0),
    "clip_norm": (lambda b: b.job.model.optimizer.global_clipnorm, 0.7),
    "label_smoothing": (lambda b: b.job.model.loss.label_smoothing, 0.2),
    "ema": (lambda b: b.job.model.optimizer.use_ema * b.job.model.optimizer.ema_momentum, 0.75),
    "head_start": (lambda b: b.job.linear_model is None, True),
    # What it does is in tests/training/test_interpolation.py: here the head begins at random.
    "tuned_share": (lambda b: b.config.tuned_share, 0.25),
    "refit": (lambda b: bool(plan_refit(b.config, b.data)), True),
    "unfreeze": (lambda b: [(s.first_epoch, s.depth) for s in b.job.stages], [(0, 0), (2, 2)]),
    "batch_norm": (trains_batch_norm, True),
    "seed": (lambda b: b.job.batches.order(0)[:3].tolist(), None),
    "adapter": (lambda b: b.built.decisions.get("adapter", "").split()[:1], ["rslora"]),
    "adapter_rank": (lambda b: low_rank(b).first.shape[-1:], (4,)),
    "adapter_alpha": (lambda b: low_rank(b).scale, 3.0),
    "adapter_dropout": (lambda b: getattr(low_rank(b).dropout, "rate", None), 0.3),
    "adapter_targets": (
        lambda b: {
            group.name
            for group in b.job.groups[:-1]
            for one in adapters(b)
            if hasattr(one, "scale") and any(one.kernel.layer in flattened(x) for x in group.layers)
        },
        {"block3a"},
    ),
    "adapter_whole_groups": (lambda b: sum(not hasattr(a, "scale") for a in adapters(b)), 1),
    # Behind the head and the group that trains as a whole.
    "adapter_rate": (lambda b: factors(b)[2], 0.25),
    "adapter_second_rate": (
        lambda b: set(b.job.model.optimizer._multiples.values()),
        {8.0},
    ),
    # Last, since it trains.
    "early_stopping": (stopped_epochs, None),
}
BY_THEMSELVES = ("mix", "rehearse", "exclude", "relabel", "early_stopping", *ADAPTED)


@pytest.fixture(scope="module")
def usual() -> Built:
    """A run of the defaults, on digits with the shipped preset."""
    return build()


@pytest.fixture(scope="module")
def changed(tiny_preset: str, digit_photos: Path) -> Built:
    """A run in which every setting is another."""
    return build(data=str(digit_photos), preset=tiny_preset, **CHANGED)


def test_every_setting_has_a_check() -> None:
    config_class = load_recipe("image_classification").Config
    assert {one.name for one in settings_of(config_class)} == set(CHECKS)
    for name, value in CHANGED.items():
        assert value != getattr(config_class(), name)


@pytest.mark.parametrize("name", [one for one in CHECKS if one not in BY_THEMSELVES])
def test_a_setting_reaches_the_run(usual: Built, changed: Built, name: str) -> None:
    look, expected = CHECKS[name]
    found = look(changed)
    if expected is not None:
        assert found == (pytest.approx(expected) if isinstance(expected, float) else expected)
    assert found != look(usual), "the check sees a difference"


def test_the_seed_reaches_the_splits_the_head_and_the_order(
    changed: Built, tiny_preset: str, digit_photos: Path
) -> None:
    settings = {"data": str(digit_photos), "preset": tiny_preset, **CHANGED}
    same, other = build(**settings), build(**{**settings, "seed": 12})
    for look in (
        lambda b: b.data.split_lists()["test"],
        lambda b: b.job.groups[-1].weights[0].numpy().tolist(),
        lambda b: b.job.batches.order(0).tolist(),
    ):
        assert look(same) == look(changed)
        assert look(other) != look(changed)


def test_the_preset_gives_the_weights(changed: Built, tiny_preset: str) -> None:
    import keras_hub

    backbone = keras_hub.models.Backbone.from_preset(tiny_preset)
    ours_all = [one for group in changed.job.groups[:-1] for one in group.weights]
    for ours, theirs in zip(ours_all, backbone.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_settings_of_adapters_reach_the_run(
    usual: Built, tiny_preset: str, digit_photos: Path
) -> None:
    found = build(data=str(digit_photos), preset=tiny_preset, **ADAPTED)
    assert set(ADAPTED) == {name for name in CHECKS if name.startswith("adapter")}
    for name in ADAPTED:
        look, expected = CHECKS[name]
        assert look(found) == expected != look(usual), name


def test_mixed_examples_reach_the_run(usual: Built, tiny_preset: str, digit_photos: Path) -> None:
    look, expected = CHECKS["mix"]
    mixed = build(data=str(digit_photos), preset=tiny_preset, mix="cutmix", unfreeze="all")
    assert look(mixed) == expected != look(usual)
    _, targets = next(iter(mixed.job.batches.dataset()))
    assert np.all(np.isclose(targets.numpy().sum(axis=1), 1))
    assert np.any((targets.numpy() > 0.01) & (targets.numpy() < 0.99))
    assert first_decision(mixed).features == "computed", "another mixture in each epoch"


def test_rehearsed_examples_reach_the_run(
    usual: Built, tiny_preset: str, digit_photos: Path, tmp_path: Path
) -> None:
    look, _ = CHECKS["rehearse"]
    for name in ("zero", "one"):
        (tmp_path / name).mkdir()
        for photo in sorted((digit_photos / name).iterdir())[:20]:
            Image.open(photo).rotate(90).save(tmp_path / name / photo.name)
    rehearsing = build(data=str(digit_photos), preset=tiny_preset, rehearse=str(tmp_path))
    assert 0 < look(rehearsing) == len(rehearsing.data.rehearsal.train) != look(usual)


def test_a_clean_list_reaches_the_run(
    usual: Built, tiny_preset: str, digit_photos: Path, tmp_path: Path
) -> None:
    first, second, *_ = sorted(one.name for one in (digit_photos / "one").iterdir())
    table = tmp_path / "clean.csv"
    rows = [f"one/{first},exclude,", f"one/{second},relabel,two"]
    table.write_text("\n".join(["file,suggestion,new_label", *rows]))
    settings = {"data": str(digit_photos), "preset": tiny_preset}
    found = build(**settings, exclude=str(table), relabel=str(table))
    assert CHECKS["exclude"][0](found) == [f"one/{first}"] != CHECKS["exclude"][0](usual)
    assert CHECKS["relabel"][0](found) == {f"one/{second}": "two"} != CHECKS["relabel"][0](usual)
    everything = {
        name: (record.label, int(stratum))
        for split in found.data.splits.values()
        for name, record, stratum in zip(split.names, split.records, split.strata, strict=True)
    }
    assert f"one/{first}" not in everything and everything[f"one/{second}"] == ("two", 1)
    targets = sum(len(one) for one in found.data.splits.values())
    assert targets == sum(1 for _ in digit_photos.rglob("*.png")) - 1


def test_weighted_examples_are_not_mixed(tiny_preset: str, digit_photos: Path) -> None:
    with pytest.raises(ConfigError, match=r"use class_weights adjusted\. Received: weighted"):
        build(data=str(digit_photos), preset=tiny_preset, mix="mixup", class_weights="balanced")


def test_early_stopping_ends_the_last_stage(changed: Built) -> None:
    assert stopped_epochs(changed) < changed.config.epochs


def test_class_weights_follow_from_the_counts(tiny_preset: str, digit_photos: Path) -> None:
    settings = {"data": str(digit_photos), "preset": tiny_preset}
    balanced = build(**settings, class_weights="balanced")
    assert balanced.built.decisions["class_weights"] == "balanced"
    numbers = balanced.data.train.strata
    sums = np.bincount(numbers, balanced.job.batches.sample_weights)
    np.testing.assert_allclose(sums, len(numbers) / 3, rtol=1e-5)
    alike = build(**settings)
    assert alike.job.batches.sample_weights is None, "auto: the classes are alike"
    assert alike.built.answer.shares == () and not hasattr(alike.job.loss, "shares")
    adjusted = build(**settings, class_weights="adjusted")
    counts = np.bincount(adjusted.data.train.strata)
    np.testing.assert_allclose(adjusted.job.loss.shares, (counts + 1) / (counts.sum() + 3))
    assert adjusted.job.batches.sample_weights is None


def test_augmentation_is_in_training_only(changed: Built) -> None:
    inside = {type(layer).__name__ for layer in changed.job.model._flatten_layers()}
    assert not inside & set(layer_names(changed))
    plain = changed.built.input.normalize(
        np.asarray(changed.data.validation.inputs[np.arange(8)], np.float32)
    )
    first = next(iter(changed.job.validation.in_order()))[0].numpy()
    np.testing.assert_array_equal(first, np.asarray(plain))
    train = changed.data.train
    rows = changed.job.batches.order(0)[:8]
    normal = changed.built.input.normalize(np.asarray(train.inputs[rows], np.float32))
    assert not np.allclose(next(iter(changed.job.batches.dataset()))[0], normal)


def test_automatic_choices_are_resolved(tiny_preset: str) -> None:
    resolve = lambda **settings: prepare("image_classification", None, settings)[1]  # noqa: E731
    assert (resolve().image_size, resolve().flip) == (96, "none")
    photos = resolve(data="photos", preset=tiny_preset)
    assert (photos.image_size, photos.flip) == (32, "horizontal")
    assert resolve(data="photos").image_size == 224
    assert resolve(data="photos", augmentation="none").flip == "none"
