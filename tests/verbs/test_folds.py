"""A cross-validation is one run per fold, and every example is predicted by a fit without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import DataError, RunError

QUIET = Console(quiet=True)


@pytest.fixture
def settings(tiny_settings: dict[str, Any]) -> dict[str, Any]:
    # Folds have no second fit: what one does not train on is what it scores.
    changed = {"epochs": 2, "unfreeze": "none", "augmentation": "none", "refit": "yes"}
    return {**tiny_settings, **changed}


def test_every_example_is_predicted_by_a_fit_that_never_saw_it(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "folds"
    said: list[str] = []

    class Listening(Console):
        def say(self, line: str = "") -> None:
            said.append(line)
            if line.startswith("epoch 1") and sum(one.startswith("epoch 1") for one in said) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kfine.cross_validate(
            "image_classification", folds=3, run_dir=path, console=Listening(), **settings
        )
    assert (path / "fold-1" / "model.keras").exists()
    assert not (path / "fold-2" / "model.keras").exists()
    with pytest.raises(RunError, match="has not finished; continue it with `kfine fit --resume"):
        kfine.doctor(path, output=tmp_path / "early", console=QUIET)
    found = kfine.cross_validate(resume=path, console=QUIET)
    # One pass through the trunk served all folds.
    assert sum("to compute once" in line for line in said) == 1

    rows = json.loads((path / "out_of_fold.json").read_text())
    lists = json.loads((path / "splits.json").read_text())
    used = [one["name"] for name in ("train", "validation") for one in lists[name]]
    assert [row["name"] for row in rows] == sorted(used)
    right = [row["label"] == row["prediction"] for row in rows]
    assert found["out_of_fold"]["accuracy"] == pytest.approx(np.mean(right))
    for fold in (1, 2, 3):
        run = kfine.Run(path / f"fold-{fold}")
        trained = {one["name"] for one in run._folder.read("splits.json")["train"]}
        assert not trained & {row["name"] for row in rows if row["fold"] == fold}
    accuracy = found["metrics"]["accuracy"]
    kept = [kfine.Run(path / f"fold-{k}")._folder.info()["validation"] for k in (1, 2, 3)]
    assert accuracy["folds"] == pytest.approx([one["val_accuracy"] for one in kept], abs=1e-6)
    assert accuracy["mean"] == pytest.approx(np.mean(accuracy["folds"]))
    assert accuracy["spread"] == pytest.approx(np.std(accuracy["folds"], ddof=1))

    # The doctor takes these predictions for its own, and adds some of the test examples.
    seen = kfine.doctor(path, output=tmp_path / "doctor", console=QUIET)
    wrong = {row["name"] for row in rows if row["label"] != row["prediction"]}
    doubted = {one["name"] for one in seen["examples"] if one["kind"] == "label in doubt"}
    assert {name for name in doubted if name in set(used)} <= wrong
    tested = len(lists["test"])
    least, most = (sum(right) / (len(rows) + tested), (sum(right) + tested) / (len(rows) + tested))
    assert least - 1e-4 <= seen["right"] <= most + 1e-4


def test_folds_of_data_that_changed_are_not_continued(
    settings: dict[str, Any], digit_photos: Path, tmp_path: Path
) -> None:
    """They would be divided anew, and finished fits have trained on what others are to score."""
    photos = tmp_path / "photos"
    shutil.copytree(digit_photos, photos)

    class Stopping(Console):
        def say(self, line: str = "") -> None:
            if line.startswith("fold 1"):
                raise KeyboardInterrupt

    given = {**settings, "data": str(photos)}
    with pytest.raises(KeyboardInterrupt):
        kfine.cross_validate(
            "image_classification", folds=3, run_dir=tmp_path / "x", console=Stopping(), **given
        )
    (gone := next((photos / "zero").iterdir())).unlink()
    words = rf"changed since its folds were made \(1 gone, such as zero/{gone.name}\)"
    with pytest.raises(RunError, match=words):
        kfine.cross_validate(resume=tmp_path / "x", console=QUIET)


def test_folds_of_a_source_without_columns_have_no_groups(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="Groups are a column of a manifest"):
        kfine.cross_validate(
            "image_classification", groups="writer", run_dir=tmp_path / "x", **settings
        )
    assert not (tmp_path / "x").exists()
