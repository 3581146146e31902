"""Once validation has chosen the epochs of a small data set, all its examples train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError, DataError
from kfine.runs.folder import open_run
from kfine.training.data import load_data
from kfine.training.refit import epochs_to_train, next_job, plan_refit
from kfine.training.settings import LEAST_TO_CHOOSE, SMALL
from kfine.verbs.fit import prepare

QUIET = Console(quiet=True)
RECIPE = "image_classification"


def loaded(**settings: Any) -> tuple[Any, Any, Any]:
    """A recipe, its settings and its data."""
    module, config = prepare(RECIPE, None, settings)
    return module, config, load_data(module, config, QUIET)


@pytest.fixture
def photos(digit_photos: Path) -> dict[str, Any]:
    """Settings that read 144 photos: 21 of them validate."""
    return {"data": str(digit_photos), "image_size": 32}


def test_few_examples_train_once_more_with_those_that_validated(photos: dict[str, Any]) -> None:
    _, config, data = loaded(**photos)
    together = len(data.train) + len(data.validation)
    assert plan_refit(config, data) == {"examples": together, "epochs": None}


def test_of_too_few_to_choose_by_all_train_from_the_beginning(photos: dict[str, Any]) -> None:
    _, config, data = loaded(**photos, validation_split=0.05)
    assert 0 < len(data.validation) < LEAST_TO_CHOOSE
    assert plan_refit(config, data)["epochs"] == config.epochs


def test_many_examples_or_callbacks_train_once_unless_asked(photos: dict[str, Any]) -> None:
    _, config, data = loaded(**photos)
    many = replace(data, splits={**data.splits, "train": repeated(data.train, SMALL)})
    assert plan_refit(config, many) == {}
    assert plan_refit(replace(config, refit="yes"), many)["examples"] > SMALL
    assert plan_refit(config, data, watched=True) == {}
    assert plan_refit(replace(config, refit="yes"), data, watched=True)
    assert plan_refit(replace(config, refit="no"), data) == {}


def repeated(split: Any, count: int) -> Any:
    return split.take([index % len(split) for index in range(count)], split.name)


@pytest.mark.parametrize("missing", ["validation", "test"])
def test_what_it_takes_is_asked_for(photos: dict[str, Any], missing: str) -> None:
    _, config, data = loaded(**photos)
    lacking = replace(data, splits={k: v for k, v in data.splits.items() if k != missing})
    assert plan_refit(config, lacking) == {}
    with pytest.raises(DataError, match=f"refit .* without a {missing} split; give one"):
        plan_refit(replace(config, refit="yes"), lacking)


def test_validation_joins_training_by_name_and_nothing_is_lost(photos: dict[str, Any]) -> None:
    _, _, data = loaded(**photos)
    whole = data.without_validation()
    assert whole.validation is None
    assert whole.test is data.test
    assert sorted(data.train.names + data.validation.names) == list(whole.train.names)
    at = {name: place for place, name in enumerate(data.validation.names)}
    places = [place for place, name in enumerate(whole.train.names) if name in at]
    order = [at[whole.train.names[place]] for place in places]
    np.testing.assert_array_equal(whole.train.inputs[places], data.validation.inputs[order])
    assert [whole.train.labels[i] for i in places] == [data.validation.labels[i] for i in order]


@pytest.mark.parametrize(("held", "epochs"), [(99, 12), (100, 5)])
def test_epochs_are_chosen_by_enough_examples_only(held: int, epochs: int) -> None:
    assert epochs_to_train(held, 5, 12) == epochs


@pytest.fixture(scope="module")
def refitted(
    tiny_preset: str, digit_photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> kfine.Run:
    """A finished run whose validation examples train too."""
    settings = {"data": str(digit_photos), "preset": tiny_preset, "epochs": 4, "image_size": 32}
    settings |= {"unfreeze": "2:1,4:3", "batch_size": 16, "ema": 0.5, "refit": "auto"}
    path = tmp_path_factory.mktemp("refit") / "run"
    return kfine.fit(RECIPE, run_dir=path, console=QUIET, **settings)


@pytest.mark.keras
def test_the_scores_are_of_the_first_fit_and_the_model_of_the_second(refitted: kfine.Run) -> None:
    info = refitted.folder.info()
    losses = [epoch["val_loss"] for epoch in refitted.history]
    again = refitted.folder.read("refit_history.json")
    assert info["best_epoch"] == int(np.argmin(losses)) + 1
    assert info["refit"]["epochs"] == len(again) == 4
    assert info["validation"]["epoch"] == info["best_epoch"]
    assert info["status"] == "finished"
    # The epochs of all examples: as many steps as those take, and no validation.
    assert not any(name.startswith("val_") for epoch in again for name in epoch)
    assert again[0]["learning_rate"] == pytest.approx(refitted.history[0]["learning_rate"], rel=0.1)


@pytest.mark.keras
def test_the_examples_that_validated_are_among_those_that_train(refitted: kfine.Run) -> None:
    settings = {name: getattr(refitted.config, name) for name in ("data", "preset", "image_size")}
    module, _, data = loaded(**settings)
    job = next_job(refitted.folder, module, refitted.config, data, QUIET).job
    assert job.validation is None
    assert len(job.batches) == len(data.train) + len(data.validation)
    assert [vars(stage) for stage in job.stages] == refitted.folder.info()["stages"]


@pytest.mark.keras
def test_a_run_interrupted_in_its_second_fit_resumes_to_the_same_weights(
    refitted: kfine.Run, tmp_path: Path
) -> None:
    class Interrupting(Console):
        """Stops the run after the first epoch of its second fit."""

        again = False

        def say(self, line: str = "") -> None:
            self.again |= line.startswith("training once more")
            if self.again and line.startswith("epoch 1"):
                raise KeyboardInterrupt

    settings = {
        name: getattr(refitted.config, name)
        for name in ("data", "preset", "epochs", "image_size", "unfreeze", "batch_size", "ema")
    }
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        kfine.fit(RECIPE, run_dir=path, console=Interrupting(), **settings)
    info = open_run(path).info()
    assert info["status"] == "interrupted"
    assert info["refit"]["epochs"] == refitted.folder.info()["refit"]["epochs"]
    run = kfine.fit(resume=path, console=QUIET)
    for ours, theirs in zip(run.model.weights, refitted.model.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=1e-6)


@pytest.mark.keras
def test_an_export_is_sure_as_before_the_second_fit_and_measured_on_the_test_split(
    refitted: kfine.Run,
) -> None:
    report = refitted.export(format="tflite", quantize="float16", max_drop=1.0)
    assert report.unsure == refitted.refit["unsure"]
    assert report.verdict.count == len(refitted.folder.read("splits.json")["test"])


@pytest.mark.keras
def test_a_dry_run_counts_the_second_fit(tiny_settings: dict[str, Any]) -> None:
    plan = kfine.dry_run(RECIPE, console=QUIET, **{**tiny_settings, "refit": "yes"})
    stages = sum(stage["seconds"] for stage in plan["stages"])
    assert plan["refit"]["seconds"] > stages > 0
    assert plan["seconds"] == pytest.approx(stages + plan["refit"]["seconds"], abs=0.2)
    assert kfine.dry_run(RECIPE, console=QUIET, **tiny_settings)["refit"] == {}


@pytest.mark.keras
def test_so_few_examples_train_once_without_validation(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {**tiny_settings, "validation_split": 0.05, "refit": "auto", "augmentation": "light"}
    run = kfine.fit(RECIPE, run_dir=tmp_path / "run", console=QUIET, **settings)
    info = run.folder.info()
    assert len(run.history) == info["best_epoch"] == settings["epochs"]
    assert not any(name.startswith("val_") for epoch in run.history for name in epoch)
    assert info["validation"] == {}
    assert not (run.path / "refit_history.json").exists()
    assert kfine.evaluate(run, console=QUIET)["count"] == 21


@pytest.mark.keras
def test_a_refitted_run_has_nothing_to_be_calibrated_on(refitted: kfine.Run) -> None:
    with pytest.raises(ConfigError, match="trained on its own too; fit with --refit no"):
        refitted.export(calibrate=True, console=QUIET)
