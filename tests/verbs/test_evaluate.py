"""Scores of a run, beside the trivial and the frozen answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kfine
from kfine.console import Console
from kfine.errors import DataError

QUIET = Console(quiet=True)


def test_metrics_stand_beside_their_baselines(finished_run: Path) -> None:
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert (metrics["primary"], metrics["direction"]) == ("accuracy", "max")
    for one in (metrics, *metrics["baselines"].values()):
        assert 0 <= one["macro_f1"] <= 1
        assert one["accuracy_interval"][0] <= one["accuracy"] <= one["accuracy_interval"][1]
        assert one["count"] == 21
    assert set(metrics["per_class"]) == {"one", "two", "zero"}
    assert np.sum(metrics["confusion_matrix"]) == 21
    assert np.trace(metrics["confusion_matrix"]) / 21 == pytest.approx(metrics["accuracy"])
    assert metrics["baselines"]["majority"]["accuracy"] == pytest.approx(1 / 3)
    gain = metrics["accuracy"] - metrics["baselines"]["linear_probe"]["accuracy"]
    assert metrics["gain"]["difference"] == pytest.approx(gain)


def test_every_test_example_is_in_the_predictions(finished_run: Path) -> None:
    rows = json.loads((finished_run / "predictions.json").read_text())
    lists = json.loads((finished_run / "splits.json").read_text())
    assert [row["name"] for row in rows] == [row["name"] for row in lists["test"]]
    assert [row["label"] for row in rows] == [row["label"] for row in lists["test"]]
    metrics = json.loads((finished_run / "metrics.json").read_text())
    right = np.mean([row["label"] == row["prediction"] for row in rows])
    assert right == pytest.approx(metrics["accuracy"])


@pytest.mark.parametrize("name", ["learning_curves", "confusion_matrix", "mistakes"])
def test_the_plots_open(finished_run: Path, name: str) -> None:
    with Image.open(finished_run / "plots" / f"{name}.png") as image:
        image.load()
        assert image.format == "PNG"
        assert min(image.size) > 200


def test_scoring_again_gives_the_same(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    again = kfine.Run(tmp_path / "run").metrics
    first = json.loads((finished_run / "metrics.json").read_text())
    assert json.loads(json.dumps(again)) == first


def test_scores_that_cannot_be_kept_are_printed(
    finished_run: Path, tmp_path: Path, kfine_command: Callable[..., Any]
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    expected = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").unlink()
    # As a disk for reading only, also where the tests run as root.
    (run / "metrics.json").mkdir()
    said = kfine_command("evaluate", run)
    assert said.status == 0, said.err
    assert f"{expected['accuracy']:.3f}" in said.out
    assert "the metrics are not kept: Cannot write" in said.err and " are in " not in said.err


def test_other_data_is_scored_beside_the_runs_own(
    finished_run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    for name in ("two", "zero"):
        shutil.copytree(digit_photos / name, tmp_path / "others" / name)
    (tmp_path / "others" / "two" / "broken.png").write_bytes(b"no image")
    before = (run / "metrics.json").read_text()
    said: list[str] = []

    class Listening(Console):
        def warn(self, line: str) -> None:
            said.append(line)

    metrics = kfine.evaluate(run, data=str(tmp_path / "others"), console=Listening(quiet=True))
    assert metrics["count"] == 96
    assert [metrics["per_class"][name]["support"] for name in ("one", "two", "zero")] == [0, 48, 48]
    assert any("two/broken.png" in line for line in said)
    assert (run / "metrics.json").read_text() == before
    (folder,) = (run / "evaluations").iterdir()
    assert folder.name.endswith("-others")
    json.loads((folder / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert (folder / "plots" / "mistakes.png").is_file()


def test_classes_that_the_model_does_not_know_are_named(
    finished_run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    shutil.copytree(digit_photos / "one", tmp_path / "others" / "seven")
    with pytest.raises(DataError, match="seven"):
        kfine.evaluate(finished_run, data=str(tmp_path / "others"), console=QUIET)


def test_a_test_photo_that_is_gone_is_said(
    finished_run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    photos = shutil.copytree(digit_photos, tmp_path / "photos")
    run = shutil.copytree(finished_run, tmp_path / "run")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(digit_photos), str(photos)))
    lists = json.loads((run / "splits.json").read_text())
    name = lists["test"][0]["name"]
    (photos / name).unlink()
    said: list[str] = []

    class Listening(Console):
        def warn(self, line: str) -> None:
            said.append(line)

    metrics = kfine.evaluate(run, console=Listening(quiet=True))
    assert metrics["count"] == 20
    assert any("gone" in line and name in line for line in said)
