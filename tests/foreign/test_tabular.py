"""A recipe with an input and an answer of its own goes through every verb, to a gated bundle."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kfine
from kfine.console import Console
from kfine.errors import ExportError, KfineError, RunError

pytestmark = pytest.mark.keras

QUIET = Console(quiet=True)
RECIPE = Path(__file__).parent / "tabular.py"
SETTINGS = {"epochs": 12, "learning_rate": 0.05, "min_steps": 10}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 rows whose grade is where the sum of two columns lies."""
    chance = random.Random(0)
    path = tmp_path_factory.mktemp("table") / "grades.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", "weight", "grade"])
        for _ in range(160):
            size, weight = chance.uniform(0, 2), chance.uniform(100, 300)
            grade = int(size + weight / 100 - 1)
            writer.writerow([size, weight, ("poor", "fair", "good", "best")[min(grade, 3)]])
    return path


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreign") / "run"
    kfine.fit(RECIPE, data=str(table), run_dir=path, console=QUIET, **SETTINGS)
    return path


def test_it_is_fitted_and_evaluated_beside_its_baselines(run: Path) -> None:
    metrics = kfine.evaluate(run, console=QUIET)
    assert (metrics["primary"], metrics["direction"]) == ("steps_off", "min")
    assert set(metrics["baselines"]) == {"median", "head_alone"}
    assert metrics["steps_off"] < 0.5 * metrics["baselines"]["median"]["steps_off"]
    assert metrics["mistakes"]["file"] == "mistakes.json"
    worst = metrics["mistakes"]["worst"]
    assert not worst or "," in worst[0]["example"]


def test_it_predicts_rows_of_a_table(
    run: Path, table: Path, kfine_command: Callable[..., Any]
) -> None:
    found = kfine.predict(run, table, console=QUIET)
    assert len(found) == 160 and found[0].rows[0]["grade"] in ("poor", "fair", "good", "best")
    said = kfine_command("predict", run, table, "--quiet")
    assert said.status == 0, said.err
    assert said.out.splitlines()[0] == "name,grade,height"


def test_other_rows_with_an_unknown_grade_are_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("size,weight,grade\n1,200,superb\n")
    with pytest.raises(KfineError, match="does not know the grades 'superb'"):
        kfine.evaluate(run, data=str(other), console=QUIET)
    other.write_text("size,weight,grade\n1,200,good\n")
    assert kfine.evaluate(run, data=str(other), console=QUIET)["count"] == 1


def test_it_is_cross_validated(table: Path, tmp_path: Path) -> None:
    from kfine.verbs.folds import cross_validate

    found = cross_validate(
        RECIPE, folds=3, data=str(table), run_dir=tmp_path / "folds", console=QUIET, epochs=2
    )
    assert "steps_off" in found["metrics"]
    rows = json.loads((tmp_path / "folds" / "out_of_fold.json").read_text())
    assert found["out_of_fold"]["count"] == len(rows) > 120


def test_it_is_tuned(table: Path, tmp_path: Path) -> None:
    search = kfine.tune(
        RECIPE,
        kfine.SearchSettings(trials=2),
        data=str(table),
        run_dir=tmp_path / "s",
        console=QUIET,
        epochs=2,
    )
    assert [one.status for one in search.trials] == ["completed", "completed"]
    assert search.settings["goals"] == {"val_steps_off": "min"}
    scores = [one.scores["val_steps_off"] for one in search.trials]
    assert search.best.scores["val_steps_off"] == min(scores)


@pytest.fixture(scope="module")
def bundle(run: Path) -> Path:
    report = kfine.export(run, console=QUIET)
    assert report.verdict.passed and report.verdict.metric == "steps_off"
    assert report.verdict.direction == "min"
    return Path(report.bundle)


def test_it_is_exported_to_a_bundle_that_is_judged_by_its_own_metric(
    run: Path, table: Path, bundle: Path
) -> None:
    assert "Grades rows: poor, fair, good, best." in (bundle / "model_card.md").read_text()
    golden = json.loads((bundle / "golden" / "golden.json").read_text())
    assert {"row", "grade", "height"} <= set(golden["examples"][0])
    ours = kfine.predict(run, table, console=QUIET)
    theirs = kfine.predict(bundle, table, console=QUIET)
    for one, other in zip(ours, theirs, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-3)
    metrics = kfine.evaluate(bundle, console=QUIET)
    assert metrics["steps_off"] == pytest.approx(kfine.evaluate(run, console=QUIET)["steps_off"])


@pytest.mark.parametrize("quantize", ["int8", "dynamic"])
def test_a_file_that_lost_is_refused_and_one_that_kept_is_not(run: Path, quantize: str) -> None:
    report = kfine.export(
        run, format="tflite", quantize=quantize, allow_refused=True, console=QUIET
    )
    lost = report.verdict.exported - report.verdict.reference
    assert report.verdict.drop == pytest.approx(lost)
    assert report.verdict.passed or lost > 0 or report.verdict.agreement < 0.9


def test_alone_its_file_is_refused_since_its_kinds_do_not_ship(
    bundle: Path, tmp_path: Path
) -> None:
    alone = shutil.copy(bundle / "model.tflite", tmp_path)
    with pytest.raises(ExportError, match="no kind 'table' among kfine's inputs"):
        kfine.predict(alone, "1,2", console=QUIET)


def test_a_run_whose_parts_are_gone_names_them(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    values = json.loads((copy / "answer.json").read_text())
    (copy / "answer.json").write_text(json.dumps({**values, "kind": "colour"}))
    with pytest.raises(RunError, match="no kind 'colour' among kfine's answers"):
        kfine.evaluate(copy, console=QUIET)
