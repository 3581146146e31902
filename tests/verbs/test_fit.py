"""A fit leaves what is documented, and its settings start an equal run."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import RunError
from kfine.recipe import copy_recipe
from kfine.runs.folder import open_run

QUIET = Console(quiet=True)
FILES = {
    "run.json",
    "config.yaml",
    "recipe.py",
    "environment.json",
    "data.json",
    "splits.json",
    "input.json",
    "answer.json",
    "history.json",
    "model.keras",
    "metrics.json",
    "predictions.json",
    "plots/learning_curves.png",
    "plots/confusion_matrix.png",
    "plots/mistakes.png",
    "checkpoints/epoch-00003/state.json",
    "checkpoints/epoch-00003/state.npz",
    "checkpoints/start.npz",
    "checkpoints/epoch-00003/best.npz",
}


# The checkpoint of epoch 2 is written when stage 3 is announced; that of epoch 3 has no room.
FULL_DISK = """
import resource, sys
import kfine
from kfine.console import Console

class Filling(Console):
    def say(self, line=""):
        if line.startswith("stage 3"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))

try:
    config, run_dir = sys.argv[1:]
    kfine.fit("image_classification", config=config, run_dir=run_dir, console=Filling(quiet=True))
except kfine.KfineError as error:
    print(error)
    sys.exit(error.exit_code)
"""


# A recipe of one's own whose answer has a loss that is no number.
BROKEN = """def broken(answer):
    class Broken(answer):
        kind = "broken"

        def losses(self):
            import keras

            return {"class": lambda _, logits: keras.ops.sum(logits) * float("nan")}

    return Broken


"""


def equal_weights(ours: Any, theirs: Any) -> bool:
    pairs = zip(ours.model.weights, theirs.model.weights, strict=True)
    return all(np.array_equal(one.numpy(), other.numpy()) for one, other in pairs)


def test_the_run_folder_holds_what_is_documented(finished_run: Path) -> None:
    found = {str(one.relative_to(finished_run)) for one in finished_run.rglob("*") if one.is_file()}
    assert found - {".lock"} == FILES
    for name in FILES:
        if name.endswith(".json"):
            json.loads((finished_run / name).read_text(), parse_constant=pytest.fail)


def test_the_facade_gives_what_the_folder_holds(finished_run: Path, digit_photos: Path) -> None:
    run = kfine.Run(finished_run)
    assert run.class_names == ("one", "two", "zero")
    assert [entry["epoch"] for entry in run.history] == [1, 2, 3]
    assert [entry["stage"] for entry in run.history] == [1, 2, 3]
    assert run.metrics == json.loads((finished_run / "metrics.json").read_text())
    assert run.config.epochs == 3
    assert str(finished_run) in repr(run)
    photo = digit_photos / "one" / "0001.png"
    (prediction,) = run.predict(photo)
    assert prediction.name == str(photo)
    assert prediction.label == prediction.rows[0]["label"]
    info = open_run(finished_run).info()
    assert info["status"] == "finished"
    assert info["recipe"] == "image_classification"
    best = min(run.history, key=lambda entry: entry["val_loss"])
    assert info["best_epoch"] == best["epoch"]
    scored = {name: value for name, value in best.items() if name.startswith("val_")}
    # What validation says is said of the weights that were kept, a mean with the beginning.
    assert {**info["validation"], **scored} == best
    assert (info["tuned_share"] == 1) == (info["validation"] == best)


def test_the_saved_model_is_the_one_that_was_scored(finished_run: Path) -> None:
    from kfine.recipe import recipe_of_run
    from kfine.training.data import load_data

    run = kfine.Run(finished_run)
    module, note = recipe_of_run(run.folder)
    assert note is None
    lists = run.folder.read("splits.json")
    data = load_data(module, run.config, QUIET, split_lists=lists)
    assert data.summary()["fingerprint"] == run.folder.read("data.json")["fingerprint"]
    predicted = map(run.answer.settle, run.predictor.predict_split(data.validation))
    right = [said == label for said, label in zip(predicted, data.validation.labels, strict=True)]
    kept = run.folder.info()["validation"]["val_accuracy"]
    assert np.mean(right) == pytest.approx(kept, abs=1e-6)


def test_nothing_of_training_is_in_the_saved_model(finished_run: Path) -> None:
    model = kfine.Run(finished_run).model
    names = {type(layer).__name__ for layer in model._flatten_layers()}
    assert not [name for name in names if name.startswith("Random") or "Normalize" in name]
    assert model.trainable
    with zipfile.ZipFile(finished_run / "model.keras") as archive:
        assert not json.loads(archive.read("config.json")).get("compile_config")
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            # The step and the rate of a task's own fresh Adam, and no moments.
            assert all(value.shape == () for value in weights["optimizer/vars"].values())


def test_its_config_starts_an_equal_run_again(finished_run: Path, tmp_path: Path) -> None:
    again = kfine.fit(
        "image_classification",
        config=finished_run / "config.yaml",
        run_dir=tmp_path / "again",
        console=QUIET,
    )
    first = kfine.Run(finished_run)
    assert again.config == first.config
    assert (again.path / "config.yaml").read_text() == (finished_run / "config.yaml").read_text()
    assert again.history == first.history
    assert equal_weights(again, first)


def test_a_full_disk_leaves_a_run_that_resumes_to_the_same_weights(
    finished_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    # In a process of its own: HDF5 may crash a process in which a write failed.
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, finished_run / "config.yaml", path],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (sentence,) = done.stdout.splitlines()
    assert re.fullmatch(r"Cannot write \S*epoch-00003: File too large; .* unchanged\.", sentence)
    left = sorted(one.name for one in (path / "checkpoints").iterdir())
    assert left == ["epoch-00002", "start.npz"]
    assert not (path / "model.keras").exists()
    resumed = kfine.fit(resume=path, console=QUIET)
    assert equal_weights(resumed, kfine.Run(finished_run))


def test_a_run_that_diverges_ends_at_once_and_says_so(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    recipe = copy_recipe("image_classification", tmp_path / "mine.py")
    text = recipe.read_text().replace("answer=Classes(", "answer=broken(Classes)(")
    assert "broken" in text
    recipe.write_text(text.replace("def build_model", BROKEN + "def build_model"))
    with pytest.raises(RunError, match=r"loss is nan after epoch 1; .* lower learning_rate"):
        kfine.fit(recipe, run_dir=tmp_path / "run", console=Console(quiet=True), **tiny_settings)
    assert not (tmp_path / "run" / "model.keras").exists()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "diverged"


def test_a_run_in_use_is_left_alone(finished_run: Path, tmp_path: Path) -> None:
    from kfine.runs.lock import locked

    config = finished_run / "config.yaml"
    path = tmp_path / "run"
    path.mkdir()
    with locked(path), pytest.raises(RunError, match="in use by another process"):
        kfine.fit("image_classification", config=config, run_dir=path, console=QUIET)
    assert path.is_dir()
    with locked(finished_run), pytest.raises(RunError, match="in use by another process"):
        kfine.fit(resume=finished_run, console=QUIET)


def test_a_finished_run_is_not_resumed(finished_run: Path) -> None:
    before = (finished_run / "run.json").read_text()
    with pytest.raises(RunError, match="has finished"):
        kfine.fit(resume=finished_run, console=QUIET)
    assert (finished_run / "run.json").read_text() == before


@pytest.mark.parametrize(
    "more", [{"epochs": 3}, {"recipe": "image_classification"}, {"run_dir": "x"}, {"config": "x"}]
)
def test_resume_takes_no_settings(finished_run: Path, more: dict[str, Any]) -> None:
    with pytest.raises(kfine.KfineError, match="no recipe and no settings"):
        kfine.fit(resume=finished_run, console=QUIET, **more)


def test_a_dry_run_says_the_plan_and_writes_nothing(
    tiny_settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = kfine.dry_run("image_classification", console=QUIET, **tiny_settings)
    assert [stage["depth"] for stage in plan["stages"]] == [0, 1, 3]
    assert "stage 2 of 3" in plan["stages"][1]["sentence"]
    assert plan["data"]["splits"]["train"]["used"] == 102
    assert plan["unfreeze"] == "1:head,2:top,3:block2b"
    assert plan["seconds"] == pytest.approx(sum(s["seconds"] for s in plan["stages"]), abs=0.3)
    assert plan["memory"]["accumulate"] == 1
    assert 10**8 < plan["memory"]["bytes"] < plan["memory"]["free"]
    json.dumps(plan)
    assert not list(tmp_path.iterdir())
