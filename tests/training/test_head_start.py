"""A new head starts where a linear model on the frozen features ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.training.data import load_data
from kfine.verbs.fit import prepare

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)


def job_of(recipe: str, **settings: Any) -> Any:
    """A job that has not begun, and the built model behind it."""
    from kfine.training.job import build_job

    module, config = prepare(recipe, None, settings)
    return build_job(module, config, load_data(module, config, QUIET), QUIET)


def start(job: Any) -> None:
    from kfine.training.features import Features
    from kfine.training.head_start import start_at_probe

    start_at_probe(job, Features(job, QUIET), QUIET)


def head_of(model: Any) -> tuple[np.ndarray, np.ndarray]:
    from kfine.models.linear_head import linear_head

    head = linear_head(model)
    assert head is not None
    kernel, bias = head.get_weights()
    return kernel, bias


def features_and_classes(job: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the head is given for the training examples, computed without any cache."""
    from kfine.models.forward import predict_rows
    from kfine.models.linear_head import below_head

    batches = job.batches
    below = below_head(job.model)
    found = predict_rows(below, batches.inputs, batches.prepare, 32, batches.lengths)
    return found, np.asarray(batches.targets).argmax(axis=1)


@pytest.mark.parametrize("feature_cache", ["auto", "none"])
def test_the_head_of_photos_is_a_logistic_regression_of_the_training_examples(
    tiny_settings: dict[str, Any], feature_cache: str, fresh_cache: Path
) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from kfine.answers.classes.probe import PROBE_STRENGTHS

    settings = {**tiny_settings, "unfreeze": "none", "feature_cache": feature_cache}
    job = job_of("image_classification", **settings).job
    features, classes = features_and_classes(job)
    start(job)
    kernel, bias = head_of(job.model)
    centred = features - features.mean(axis=0)
    scaled = {
        "standard": StandardScaler().fit_transform(features),
        "centred": centred / np.sqrt((centred**2).sum(axis=1).mean()),
    }
    expected = [
        LogisticRegression(C=strength, max_iter=300).fit(rows, classes).decision_function(rows)
        for scaling, rows in scaled.items()
        for strength in PROBE_STRENGTHS[scaling]
    ]
    logits = features @ kernel + bias
    # A regression's logits are known but for what is the same for all classes.
    logits -= logits.mean(axis=1, keepdims=True)
    least = min(np.abs(logits - one).max() for one in expected)
    assert least < 0.02 * np.abs(logits).max()


def test_the_head_of_texts_is_linear_in_vectors_of_one_length(
    text_settings: dict[str, Any], fresh_cache: Path
) -> None:
    job = job_of("text_classification", **text_settings, pooling="unit").job
    features, classes = features_and_classes(job)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 4, rtol=1e-3)
    start(job)
    kernel, bias = head_of(job.model)
    assert ((features @ kernel + bias).argmax(axis=1) == classes).mean() > 0.8


def test_weighted_examples_count_in_the_start(
    tiny_settings: dict[str, Any], digit_photos: Path, tmp_path: Path, fresh_cache: Path
) -> None:
    few_ones = tmp_path / "photos"
    for folder, count in (("zero", 40), ("one", 8)):
        (few_ones / folder).mkdir(parents=True)
        for photo in sorted((digit_photos / folder).iterdir())[:count]:
            (few_ones / folder / photo.name).symlink_to(photo)
    biases = {}
    # In this order what one fit leaves for the next would show.
    for weights in ("adjusted", "none", "balanced"):
        settings = {**tiny_settings, "data": str(few_ones), "unfreeze": "none"}
        settings["class_weights"] = weights
        job = job_of("image_classification", **settings).job
        start(job)
        features, _ = features_and_classes(job)
        kernel, bias = head_of(job.model)
        biases[weights] = (features.mean(axis=0) @ kernel + bias)[0]  # of `one`, the rare class
    assert biases["balanced"] > biases["none"] + 0.1
    assert biases["adjusted"] > biases["none"] + 0.1


def test_a_run_from_the_probe_is_no_worse_and_a_random_start_is_to_be_had(
    text_settings: dict[str, Any], fresh_cache: Path
) -> None:
    random = job_of("text_classification", **text_settings, head_start="random").job
    assert random.linear_model is None
    job = job_of("text_classification", **text_settings).job
    np.testing.assert_array_equal(head_of(random.model)[0], head_of(job.model)[0])
    start(job)
    assert np.abs(head_of(random.model)[0] - head_of(job.model)[0]).max() > 0.01


def test_what_has_no_linear_model_starts_at_random(
    tiny_settings: dict[str, Any], digit_photos: Path, tmp_path: Path
) -> None:
    rows = [
        f"{photo},{folder.name},{photo.stat().st_size}\n"
        for folder in sorted(digit_photos.iterdir())
        for photo in sorted(folder.iterdir())
    ]
    (tmp_path / "photos.csv").write_text("path,label,bytes\n" + "".join(rows))
    settings = {**tiny_settings, "data": str(tmp_path / "photos.csv"), "number": "bytes"}
    assert job_of("image_class_and_number", **settings).job.linear_model is None


def test_a_head_below_which_layers_train_starts_as_small_as_a_random_one(
    text_settings: dict[str, Any], fresh_cache: Path
) -> None:
    jobs = {
        unfreeze: job_of("text_classification", **text_settings, unfreeze=unfreeze).job
        for unfreeze in ("none", "1:2")
    }
    random = np.linalg.norm(head_of(jobs["1:2"].model)[0])
    heads = {}
    for unfreeze, job in jobs.items():
        start(job)
        heads[unfreeze] = np.concatenate([head_of(job.model)[0], [head_of(job.model)[1]]])
    alone, deep = heads["none"], heads["1:2"]
    np.testing.assert_allclose(np.linalg.norm(deep[:-1]), random, rtol=1e-4)
    factor = np.linalg.norm(deep) / np.linalg.norm(alone)
    assert factor < 1
    np.testing.assert_allclose(deep, factor * alone, atol=1e-4)


@pytest.mark.parametrize(("count", "depths"), [(24, [0]), (160, [2])])
def test_auto_trains_the_head_of_few_texts_alone(
    count: int, depths: list[int], text_settings: dict[str, Any], tmp_path: Path
) -> None:
    lines = Path(text_settings["data"]).read_text().splitlines()
    (tmp_path / "moods.csv").write_text("\n".join(lines[: count + 1]))
    settings = {**text_settings, "data": str(tmp_path / "moods.csv"), "unfreeze": "auto"}
    prepared = job_of("text_classification", **settings)
    assert [stage.depth for stage in prepared.job.stages] == depths
    assert ("unfreeze" in prepared.built.decisions) == (depths == [0])
    whole = job_of("text_classification", **{**settings, "unfreeze": "2:2"})
    assert [stage.depth for stage in whole.job.stages] == [0, 2]
    random = job_of("text_classification", **settings, head_start="random")
    assert [stage.depth for stage in random.job.stages] == ([0] if depths == [0] else [0, 2])


def test_the_head_alone_reaches_the_probe(
    text_settings: dict[str, Any], tmp_path: Path, fresh_cache: Path
) -> None:
    settings = {**text_settings, "unfreeze": "none", "epochs": 2}
    run = kfine.fit("text_classification", run_dir=tmp_path / "run", console=QUIET, **settings)
    metrics = kfine.evaluate(run, console=QUIET)
    assert metrics["accuracy"] >= metrics["baselines"]["linear_probe"]["accuracy"] - 0.05


def test_a_head_alone_stays_at_the_probe_with_photos_as_they_are(
    tiny_settings: dict[str, Any], tmp_path: Path, fresh_cache: Path
) -> None:
    settings = {**tiny_settings, "unfreeze": "none", "augmentation": "strong"}
    job = job_of("image_classification", **settings).job
    start(job)
    probe = np.concatenate([one.ravel() for one in head_of(job.model)])
    run = kfine.fit("image_classification", run_dir=tmp_path / "run", console=QUIET, **settings)
    (decision,), (stage,) = run.folder.info()["features"], run.folder.info()["stages"]
    assert (decision["features"], decision["views"]) == ("cached", 0)
    assert stage["learning_rate"] == pytest.approx(1e-3 * settings["learning_rate"])
    tuned = np.concatenate([one.ravel() for one in head_of(run.model)])
    assert 0 < np.abs(tuned - probe).max() < 0.01 * np.abs(probe).max()


@pytest.mark.parametrize(
    ("more", "features", "views"),
    [({"augment_views": 2}, "cached", 2), ({"head_start": "random"}, "computed", 1)],
)
def test_views_that_were_asked_for_and_random_heads_vary_the_photos(
    more: dict[str, Any],
    features: str,
    views: int,
    tiny_settings: dict[str, Any],
    fresh_cache: Path,
) -> None:
    from kfine.training.features import Features

    settings = {**tiny_settings, "unfreeze": "none", "augmentation": "light", **more}
    job = job_of("image_classification", **settings).job
    fed = Features(job, QUIET)
    fed.feed(job.stages[0])
    assert (fed.decisions[0].features, fed.decisions[0].views) == (features, views)


def test_a_head_that_is_to_train_alone_first_keeps_the_rate_of_its_schedule(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    schedule = tmp_path / "stages.yaml"
    schedule.write_text("- {epochs: 1, groups: [head], learning_rate: 0.004}\n")
    settings = {**tiny_settings, "unfreeze": str(schedule)}
    del settings["epochs"]
    (stage,) = job_of("image_classification", **settings).job.stages
    assert stage.learning_rate == 0.004
    whole = job_of("image_classification", **tiny_settings).job.stages
    assert [stage.learning_rate for stage in whole] == [pytest.approx(1e-5), None, None]


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_several_labels_and_numbers_have_linear_models_too(kind: str) -> None:
    from kfine.answers.labels import Labels
    from kfine.answers.numbers import Numbers

    random = np.random.default_rng(0)
    features = random.normal(3, 2, size=(300, 6)).astype("float32")
    true = random.normal(size=(6, 2))
    values = features @ true
    if kind == "labels":
        targets = (values > np.median(values, axis=0)).astype("float32")
        kernel, bias = Labels(("a", "b")).linear_model(
            (features[:200], targets[:200]), (features[200:], targets[200:]), None, 0
        )
        given = features[200:] @ kernel + bias > 0
        assert (given == targets[200:].astype(bool)).mean() > 0.95
    else:
        answer = Numbers.of([tuple(one) for one in values[:200]], ("a", "b"))
        targets = (values - np.array(answer.mean)) / np.array(answer.scale)
        kernel, bias = answer.linear_model(
            (features[:200], targets[:200]), (features[200:], targets[200:]), None, 0
        )
        assert np.abs(features[200:] @ kernel + bias - targets[200:]).max() < 0.05


def test_a_label_that_all_examples_have_keeps_its_odds() -> None:
    from kfine.answers.labels import Labels

    features = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    targets = np.stack([np.ones(20), np.arange(20) % 2], axis=1).astype("float32")
    kernel, bias = Labels(("always", "often")).linear_model(
        (features, targets), (features, targets), None, 0
    )
    assert not kernel[:, 0].any()
    assert 1 / (1 + np.exp(-bias[0])) == pytest.approx(21 / 22)
