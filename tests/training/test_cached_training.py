"""Training on cached features is training: the same weights, at the price of the suffix."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.data.cache import CacheEntry, cache_entries
from kfine.data.pipeline import Batches
from kfine.errors import ConfigError, KfineError
from kfine.models.groups import layer_groups
from kfine.seeds import seed_everything
from kfine.training.settings import TrainingConfig
from kfine.training.unfreezing import plan_stages

pytestmark = pytest.mark.keras


def feature_entries() -> list[CacheEntry]:
    """Features that are cached: beside them lie photos that a busy machine decoded slowly."""
    return [entry for entry in cache_entries() if "cut" in entry.about]


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global Decision, Features, Job, compile_job, keras, run_stages

    import keras

    from kfine.training.engine import Job, compile_job, run_stages
    from kfine.training.features import Decision, Features


MakeJob = Callable[..., Any]
QUIET = Console(quiet=True)
PLAIN = {"augmentation": "none"}


class StageWeights(Console):
    """Keeps the weights after every stage, before the best ones are put back."""

    def __init__(self, model: Any) -> None:
        super().__init__(quiet=True)
        self.model = model
        self.stages: list[list[np.ndarray]] = []
        self.lines: list[str] = []

    def say(self, line: str = "") -> None:
        self.lines.append(line)
        if line.startswith("  moved"):
            self.stages.append([variable.numpy() for variable in self.model.weights])


def trained(job: Any) -> tuple[StageWeights, list[dict[str, Any]]]:
    console = StageWeights(job.model)
    history, _ = run_stages(job, checkpoints=None, console=console)
    return console, history


def check_equal_stages(cached: StageWeights, plain: StageWeights, paths: list[str]) -> None:
    assert len(cached.stages) == len(plain.stages)
    for number, pair in enumerate(zip(cached.stages, plain.stages, strict=True), start=1):
        for path, ours, theirs in zip(paths, *pair, strict=True):
            np.testing.assert_allclose(
                ours, theirs, rtol=0, atol=1e-5, err_msg=f"{path} after stage {number}"
            )


def check_equal_histories(ours: list[Any], theirs: list[Any], tolerance: float) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, abs=tolerance)


def text_job(**settings: Any) -> Job:
    """A BERT-like classifier of token sequences: does the word 7 come before the word 8?"""
    from keras_hub import models

    seed_everything(0)
    random = np.random.default_rng(0)
    token_ids = random.integers(1, 7, (60, 12)).astype("int32")
    labels = random.integers(0, 2, 60)
    first, second = random.integers(0, 3, 60), random.integers(3, 6, 60)
    token_ids[np.arange(60), first] = 7 + labels
    token_ids[np.arange(60), second] = 8 - labels
    lengths = random.integers(6, 13, (60, 1))
    rows = {
        "token_ids": token_ids,
        "segment_ids": np.zeros_like(token_ids),
        "padding_mask": (np.arange(12) < lengths).astype("int32"),
    }
    backbone = models.BertBackbone(
        vocabulary_size=10,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=12,
    )
    task = models.BertTextClassifier(backbone, num_classes=2, dropout=0.3)
    task.preprocessor = None
    values: dict[str, Any] = {"epochs": 4, "unfreeze": "3:2", "backbone_rate": 0.1}
    config = TrainingConfig(**{**values, "batch_size": 8, "early_stopping": 0, **settings})
    groups = layer_groups(task)

    def batches(part: slice) -> Batches:
        return Batches(
            {name: one[part] for name, one in rows.items()},
            np.eye(2, dtype=np.float32)[labels[part]],
            batch_size=8,
            seed=0,
        )

    job = Job(
        model=task,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        groups=groups,
        stages=plan_stages(config.unfreeze, config.epochs, [one.name for one in groups[:-1]]),
        batches=batches(slice(0, 44)),
        validation=batches(slice(44, 60)),
        config=config,
    )
    compile_job(job)
    return job


def paths_of(job: Any) -> list[str]:
    return [variable.path for variable in job.model.weights]


@pytest.mark.slow
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_float32_features_train_a_cnn_to_the_weights_of_plain_training_stage_by_stage(
    make_job: MakeJob, fresh_cache: Path, ema: float
) -> None:
    settings = {**PLAIN, "ema": ema, "epochs": 4, "unfreeze": "2:1,4:3"}
    job = make_job(feature_cache="float32", **settings)
    cached, history = trained(job)
    plain, expected = trained(make_job(feature_cache="none", **settings))
    assert len(cached.stages) == 3
    check_equal_stages(cached, plain, paths_of(job))
    check_equal_histories(history, expected, 1e-4)
    if not ema:
        almost, history = trained(make_job(feature_cache="float16", **settings))
        assert [entry["val_accuracy"] for entry in history] == pytest.approx(
            [entry["val_accuracy"] for entry in expected], abs=0.05
        )
        check_equal_histories(history, expected, 0.05)
        assert "in float16" in "".join(almost.lines)


@pytest.mark.slow
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_float32_features_train_a_transformer_to_the_weights_of_plain_training(
    fresh_cache: Path, ema: float
) -> None:
    job = text_job(feature_cache="float32", ema=ema)
    cached, history = trained(job)
    plain, expected = trained(text_job(feature_cache="none", ema=ema))
    assert len(cached.stages) == 2
    check_equal_stages(cached, plain, paths_of(job))
    check_equal_histories(history, expected, 1e-4)
    if not ema:
        _, history = trained(text_job(feature_cache="float16"))
        check_equal_histories(history, expected, 0.01)


@pytest.mark.slow
def test_batch_norm_that_trains_above_the_cut_trains_the_same(
    make_job: MakeJob, fresh_cache: Path
) -> None:
    settings = {**PLAIN, "epochs": 1, "unfreeze": "1:2", "batch_norm": "train"}
    job = make_job(feature_cache="float32", **settings)
    cached, _ = trained(job)
    plain, _ = trained(make_job(feature_cache="none", **settings))
    check_equal_stages(cached, plain, paths_of(job))


@pytest.fixture
def cached_settings(tiny_settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a run on cached features, in two stages."""
    return {**tiny_settings, **PLAIN, "epochs": 3, "unfreeze": "3:2"}


def feeds(job: Any, console: Console = QUIET) -> list[Any]:
    """What all stages would be fed with, without training."""
    features = Features(job, console)
    return [features.feed(stage) for stage in job.stages]


def rows_of(feed: Any, indices: Any) -> np.ndarray:
    found: np.ndarray = feed.batches.inputs[np.asarray(indices)]
    return found


def test_one_pass_fills_the_caches_of_all_stages(
    make_job: MakeJob, fresh_cache: Path, listening: Any
) -> None:
    job = make_job(**PLAIN)
    found = feeds(job, listening)
    assert len(listening.passes) == 1
    assert listening.passes[0].startswith("features before head and top and block2b: ")
    examples = len(job.batches) + len(job.validation)
    assert [entry.rows for entry in feature_entries()] == [examples] * 3
    assert all(feed.model is not job.model for feed in found)


def test_a_second_job_spends_no_pass_whatever_its_head_and_schedule_share(
    make_job: MakeJob, fresh_cache: Path, listening: Any
) -> None:
    feeds(make_job(**PLAIN))
    before = {path: path.stat().st_mtime_ns for path in fresh_cache.glob("*/segment-*/*")}
    changed = {"dropout": 0.7, "learning_rate": 0.1, "unfreeze": "3:3", "batch_size": 7}
    feeds(make_job(**PLAIN, **changed), listening)
    assert listening.passes == []
    after = {path: path.stat().st_mtime_ns for path in fresh_cache.glob("*/segment-*/*")}
    assert after == before


def test_another_size_of_the_images_misses(
    make_job: MakeJob, fresh_cache: Path, listening: Any
) -> None:
    settings = {**PLAIN, "unfreeze": "none"}
    feeds(make_job(**settings))
    feeds(make_job(**settings, image_size=33), listening)
    assert len(listening.passes) == 1
    assert len(feature_entries()) == 2


def test_one_changed_pixel_of_one_photo_misses_for_that_photo_alone(
    make_job: MakeJob, fresh_cache: Path, digit_photos: Path, tmp_path: Path
) -> None:
    from PIL import Image

    settings = {**PLAIN, "unfreeze": "none"}
    feeds(make_job(**settings))
    (before,) = feature_entries()
    photos = shutil.copytree(digit_photos, tmp_path / "photos")
    photo = sorted((photos / "one").iterdir())[3]
    pixels = np.array(Image.open(photo))
    pixels[4, 4] ^= 1
    Image.fromarray(pixels).save(photo)
    feeds(make_job(**settings, data=str(photos)))
    (after,) = feature_entries()
    assert after.rows == before.rows + 1


def test_a_changed_weight_of_the_trunk_misses_and_one_of_the_head_does_not(
    make_job: MakeJob, fresh_cache: Path, listening: Any
) -> None:
    settings = {**PLAIN, "unfreeze": "none"}
    feeds(make_job(**settings))
    job = make_job(**settings)
    head = job.groups[-1].weights[0]
    head.assign(head + 1)
    feeds(job, listening)
    assert listening.passes == []
    job = make_job(**settings)
    kernel = job.groups[0].weights[0]
    kernel.assign(kernel + 1e-6)
    feeds(job, listening)
    assert len(listening.passes) == 1


def test_features_are_read_from_disk_where_the_memory_is_not_for_them(
    make_job: MakeJob, fresh_cache: Path
) -> None:
    settings = {**PLAIN, "unfreeze": "none"}
    in_memory, on_disk = (feeds(make_job(**settings, cache_memory=size))[0] for size in (1.0, 0.0))
    assert in_memory.batches.inputs._rows.in_memory
    assert not on_disk.batches.inputs._rows.in_memory
    np.testing.assert_array_equal(rows_of(in_memory, [3, 1]), rows_of(on_disk, [3, 1]))


def test_views_take_turns_and_come_back(make_job: MakeJob, fresh_cache: Path) -> None:
    job = make_job(augmentation="light", augment_views=2, unfreeze="none", epochs=5)
    (feed,) = feeds(job)
    assert feed.batches.views == 2

    def epoch(number: int) -> np.ndarray:
        feed.batches.epoch = number
        found = np.concatenate([batch[0].numpy() for batch in feed.batches.dataset()])
        return found[np.argsort(feed.batches.order(number))]

    epochs = [epoch(number) for number in range(4)]
    for early, late in ((0, 2), (1, 3)):
        np.testing.assert_array_equal(epochs[early], epochs[late])
    different = np.abs(epochs[0] - epochs[1]).max(axis=1) > 1e-4
    assert different.mean() > 0.9, "nearly every example has another view in the next epoch"


def test_validation_is_not_augmented(make_job: MakeJob, fresh_cache: Path) -> None:
    job = make_job(augmentation="strong", augment_views=2, unfreeze="none", feature_cache="float32")
    features = Features(job, QUIET)
    (feed,) = [features.feed(stage) for stage in job.stages]
    found = np.concatenate([batch[0].numpy() for batch in feed.validation])
    cut = features._cut(job.stages[0])
    photos = np.concatenate([batch[0].numpy() for batch in job.validation.in_order()])
    np.testing.assert_allclose(found, cut.trunk.predict(photos, verbose=0), atol=1e-5)


def test_a_view_follows_from_seed_and_photo_alone(
    make_job: MakeJob, fresh_cache: Path, listening: Any
) -> None:
    settings = {"augmentation": "light", "unfreeze": "none", "feature_cache": "float32"}

    def views(**more: Any) -> dict[str, np.ndarray]:
        job = make_job(**settings, **more)
        features = Features(job, listening)
        feed = features.feed(job.stages[0])
        request = features._request(job.batches, views=more["augment_views"])
        rows = rows_of(feed, np.arange(len(request.identities)))
        return dict(zip(request.identities, rows, strict=True))

    first = views(augment_views=2)
    assert len(listening.about("2 views: ")) == 1
    shutil.rmtree(fresh_cache)
    views(augment_views=1)
    other = views(augment_views=3, validation_split=0.3)
    common = first.keys() & other.keys()
    assert len(common) > 100
    for identity in common:
        np.testing.assert_allclose(first[identity], other[identity], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_another_seed_or_augmentation_makes_other_views(
    make_job: MakeJob, fresh_cache: Path
) -> None:
    settings = {"augmentation": "light", "augment_views": 1, "unfreeze": "none"}
    changes: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"augmentation": "strong"},
        {"flip": "none"},
    ]
    for number, more in enumerate(changes, start=1):
        feeds(make_job(**{**settings, **more}))
        assert len([entry for entry in feature_entries() if entry.about["views"]]) == number


def test_without_views_new_ones_are_computed_and_validation_is_cached(
    make_job: MakeJob, fresh_cache: Path, listening: Any
) -> None:
    job = make_job(augmentation="light", augment_views=0, unfreeze="none")
    features = Features(job, listening)
    feed = features.feed(job.stages[0])
    assert feed.batches is job.batches and feed.validator is not None
    (rows, *_) = next(iter(feed.batches.dataset()))
    np.testing.assert_allclose(feed.model(rows), job.model(rows), rtol=1e-4, atol=1e-5)
    assert len(feed.model.trainable_variables) == len(job.model.trainable_variables)
    (decision,) = features.decisions.values()
    assert (decision.features, decision.validation) == ("computed", "cached")
    assert [entry.rows for entry in feature_entries()] == [len(job.validation)]


def test_with_float32_features_new_views_go_through_the_model_itself(
    make_job: MakeJob, fresh_cache: Path
) -> None:
    settings = {"augmentation": "light", "augment_views": 0, "unfreeze": "none"}
    job = make_job(**settings, feature_cache="float32")
    assert Features(job, QUIET).feed(job.stages[0]).model is job.model


@pytest.mark.parametrize(
    ("epochs", "words"), [(3, "new views in every epoch"), (40, "cached views")]
)
def test_the_choice_between_views_and_new_ones_is_said_with_its_reason(
    make_job: MakeJob, fresh_cache: Path, listening: Any, epochs: int, words: str
) -> None:
    settings = {"augmentation": "light", "unfreeze": "none", "head_start": "random"}
    feeds(make_job(**settings, epochs=epochs), listening)
    (line,) = listening.about(words)
    assert f"{epochs} epochs of new ones" in line


def test_a_recorded_decision_is_obeyed(make_job: MakeJob, fresh_cache: Path) -> None:
    job = make_job(**PLAIN, unfreeze="none")
    features = Features(job, QUIET, {0: Decision("cached", dtype="float32")})
    assert features.feed(job.stages[0]).batches.inputs.dtype == np.float32
    features = Features(job, QUIET, {0: Decision("computed", "computed", "the disk was full")})
    assert features.feed(job.stages[0]).model is job.model


@pytest.mark.slow
def test_views_and_separate_validation_train(make_job: MakeJob, fresh_cache: Path) -> None:
    for views in (0, 2):
        job = make_job(augmentation="light", augment_views=views, epochs=2, unfreeze="2:1")
        _, history = trained(job)
        assert [set(entry) for entry in history] == [
            {"epoch", "stage", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"}
        ] * 2


@pytest.mark.slow
@pytest.mark.parametrize("obstacle", ["limit", "no folder"])
def test_training_goes_on_without_room_and_one_line_says_why(
    make_job: MakeJob,
    fresh_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    obstacle: str,
) -> None:
    settings = {**PLAIN, "epochs": 1, "unfreeze": "none"}
    plain, _ = trained(make_job(**settings, feature_cache="none"))
    if obstacle == "limit":
        monkeypatch.setenv("KFINE_CACHE_LIMIT", "1e-6")
    else:
        fresh_cache.parent.write_text("in the way")
    job = make_job(**settings)
    refused, _ = trained(job)
    (line,) = [one for one in refused.lines if "training without cached features" in one]
    assert ("KFINE_CACHE_LIMIT" if obstacle == "limit" else "Cannot write") in line
    check_equal_stages(refused, plain, paths_of(job))


def test_a_limit_that_is_no_size_stops_the_run_in_one_sentence(
    make_job: MakeJob, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFINE_CACHE_LIMIT", "plenty")
    with pytest.raises(ConfigError, match="Received: 'plenty'"):
        feeds(make_job(**PLAIN))


@pytest.mark.slow
def test_damage_met_in_the_middle_of_training_is_one_sentence_and_mended_on_resume(
    cached_settings: dict[str, Any], tmp_path: Path, fresh_cache: Path, listening: Any
) -> None:
    settings = {**cached_settings, "cache_memory": 0.0, "epochs": 2, "unfreeze": "none"}

    class Damaging(Console):
        def say(self, line: str = "") -> None:
            if line.startswith("epoch 1"):
                for file in fresh_cache.glob("*/segment-*/0.bin"):
                    os.truncate(file, 8)

    with pytest.raises(KfineError, match=r"damaged and were removed; continue .* --resume"):
        kfine.fit("image_classification", run_dir=tmp_path / "a", console=Damaging(), **settings)
    run = kfine.fit(resume=tmp_path / "a", console=listening)
    assert len(listening.passes) == 1
    assert [entry["epoch"] for entry in run.history] == [1, 2]


# Runs `kfine.fit` in a process of its own. `moment` is the beginning of a line: when it is said,
# the process kills itself, or no file may grow any more until the run goes on without the cache.
CHILD = """
import json, os, resource, signal, sys
import kfine
from kfine.console import Console
from kfine.training import trunk

what, moment, arguments = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
trunk._SEGMENT_BYTES = 0  # a segment after each block

class Acting(Console):
    def say(self, line=""):
        print(line, flush=True)
        if what == "kill" and line.startswith(moment):
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "fill":
            full = line.startswith(moment)
            limit = 100 if full else resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

kfine.fit(console=Acting(), **arguments)
"""


def start(what: str, moment: str, **arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, what, moment, json.dumps(arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def finished(process: subprocess.Popen[str], status: int = 0) -> list[str]:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == status, errors
    return out.splitlines()


def check_equal_runs(ours: Any, theirs: Any) -> None:
    for one, other in zip(ours.model.weights, theirs.model.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_run_killed_in_the_pass_or_after_it_resumes_on_its_cache(
    cached_settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    listening: Any,
) -> None:
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "undisturbed"))
    whole = kfine.fit(
        "image_classification", run_dir=tmp_path / "a", console=QUIET, **cached_settings
    )
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    run_dir = str(tmp_path / "b")
    first = start(
        "kill", "features", recipe="image_classification", run_dir=run_dir, **cached_settings
    )
    lines = finished(first, -signal.SIGKILL)
    examples = feature_entries()[0].rows
    assert 0 < examples < 144, "some features had been written when the run was killed"
    lines = finished(start("kill", "epoch 1", resume=run_dir), -signal.SIGKILL)
    assert len([line for line in lines if "to compute once" in line]) == 1
    assert feature_entries()[0].rows > examples
    resumed = kfine.fit(resume=run_dir, console=listening)
    assert listening.passes == []
    check_equal_runs(resumed, whole)


@pytest.mark.slow
def test_two_runs_share_a_cache_at_the_same_time(
    cached_settings: dict[str, Any], tmp_path: Path, fresh_cache: Path
) -> None:
    settings = {**cached_settings, "epochs": 2, "unfreeze": "2:1"}
    runs = [tmp_path / "a", tmp_path / "b"]
    children = [
        start("share", "", recipe="image_classification", run_dir=str(path), **settings)
        for path in runs
    ]
    for child in children:
        assert not [line for line in finished(child) if "without cached features" in line]
    check_equal_runs(*(kfine.Run(path) for path in runs))
    assert len({entry.rows for entry in feature_entries()}) == 1


@pytest.mark.slow
def test_a_disk_that_fills_up_in_the_pass_does_not_stop_the_run(
    cached_settings: dict[str, Any], tmp_path: Path, fresh_cache: Path
) -> None:
    run_dir = tmp_path / "run"
    settings = {**cached_settings, "epochs": 1, "unfreeze": "none"}
    child = start(
        "fill", "features", recipe="image_classification", run_dir=str(run_dir), **settings
    )
    lines = finished(child)
    (line,) = [one for one in lines if "training without cached features" in one]
    assert "Cannot write" in line and "free or choose another disk" in line
    assert kfine.Run(run_dir).history[0]["val_loss"] > 0
    (decision,) = json.loads((run_dir / "run.json").read_text())["features"]
    assert (decision["features"], decision["validation"]) == ("computed", "computed")
    assert "Cannot write" in decision["why"]


@pytest.mark.slow
def test_a_second_fit_spends_no_pass_and_ends_with_the_same_weights(
    cached_settings: dict[str, Any], tmp_path: Path, fresh_cache: Path, listening: Any
) -> None:
    fit = [
        kfine.fit(
            "image_classification", run_dir=tmp_path / name, console=listening, **cached_settings
        )
        for name in "ab"
    ]
    assert len(listening.passes) == 1
    check_equal_runs(*fit)
    names = {type(layer).__name__ for layer in fit[1].model._flatten_layers()}
    assert "EfficientNetBackbone" in names, "the exported model is the whole model"
