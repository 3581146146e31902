"""The mean of the weights that training ended with and those that it began with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.training.settings import LEAST_TO_CHOOSE

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)
RECIPE = "image_classification"


def trained(job: Any, share: float | None) -> tuple[Any, list[dict[str, Any]], float]:
    """A job that was trained and interpolated."""
    from kfine.training.engine import run_stages
    from kfine.training.features import Features
    from kfine.training.interpolation import interpolate

    features = Features(job, QUIET)
    history, best = run_stages(job, checkpoints=None, console=QUIET, features=features)
    return best, history, interpolate(job, features, history, best, share, QUIET)


@pytest.mark.parametrize("feature_cache", ["auto", "none"])
def test_the_weights_lie_between_beginning_and_end_and_are_scored_there(
    make_job: Callable[..., Any], feature_cache: str
) -> None:
    job = make_job(feature_cache=feature_cache, label_smoothing=0.0)
    best, history, share = trained(job, 0.25)
    assert share == 0.25
    moved = 0.0
    for variable, start, end in zip(job.changing(), best.start, best.weights, strict=True):
        np.testing.assert_allclose(variable.numpy(), 0.75 * start + 0.25 * end, atol=1e-6)
        moved = max(moved, float(np.abs(end - start).max()))
    assert moved > 1e-3, "there is something between them"
    found = job.model.evaluate(job.validation.in_order(), verbose=0, return_dict=True)
    assert best.scores["val_loss"] == pytest.approx(found["loss"], abs=2e-3)
    assert best.scores["val_accuracy"] == pytest.approx(found["accuracy"], abs=1e-6)
    assert best.scores["val_loss"] != history[best.epoch]["val_loss"]


def test_enough_validation_examples_choose_the_share_of_the_lowest_loss(
    make_job: Callable[..., Any],
) -> None:
    from kfine.training import interpolation

    job = make_job()
    assert len(job.validation) >= LEAST_TO_CHOOSE
    best, _, share = trained(job, None)
    losses = {1.0: best.value}
    for one in interpolation.SHARES:
        best.put_back(one)
        losses[one] = float(job.model.evaluate(job.validation.in_order(), verbose=0)[0])
    assert losses[share] == pytest.approx(min(losses.values()), abs=2e-3)
    assert best.scores["val_loss"] == pytest.approx(losses[share], abs=2e-3)


def test_few_take_the_middle_and_a_head_alone_or_from_random_the_end(
    make_job: Callable[..., Any],
) -> None:
    assert trained(make_job(validation_split=0.1), None)[2] == 0.5
    assert trained(make_job(unfreeze="none"), None)[2] == 1
    assert trained(make_job(head_start="random"), None)[2] == 1


def test_the_scores_of_a_run_are_those_of_the_weights_that_it_keeps(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {**tiny_settings, "tuned_share": 0.5}
    run = kfine.fit(RECIPE, run_dir=tmp_path / "run", console=QUIET, **settings)
    info = run.folder.info()
    assert info["tuned_share"] == 0.5
    names = [one["name"] for one in run.folder.read("splits.json")["validation"]]
    photos = [Path(tiny_settings["data"]) / name for name in names]
    labels = [name.split("/")[0] for name in names]
    found = kfine.predict(run, photos, console=QUIET)
    right = np.mean([one.label == label for one, label in zip(found, labels, strict=True)])
    assert info["validation"]["val_accuracy"] == pytest.approx(right, abs=1e-6)
