"""Exported files in place of a run: the same verbs, the same answers."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kfine
from kfine.console import Console

QUIET = Console(quiet=True)
Command = Callable[..., Any]


TFLITE = "model-float16.tflite"
FORMATS = {
    TFLITE: "tflite",
    "saved_model": "saved_model",
    "trainable-float16.tflite": "trainable",
    "model.onnx": "onnx",
    "openvino-float16": "openvino",
}
NEEDS = {"onnx": "tf2onnx", "openvino": "openvino"}
# Each conversion takes ten seconds and more.
FILES = [TFLITE, *(pytest.param(name, marks=pytest.mark.slow) for name in list(FORMATS)[1:])]


@pytest.fixture(scope="module")
def run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a `.tflite` file in its exports."""
    path = shutil.copytree(finished_run, tmp_path_factory.mktemp("files") / "run")
    kfine.export(path, format="tflite", console=QUIET)
    return path


def exported(run: Path, name: str) -> Path:
    """The export of that name, made when it is first asked for."""
    path = run / "exports" / name
    if not path.exists():
        pytest.importorskip(NEEDS.get(FORMATS[name], "keras"))
        kfine.export(run, format=FORMATS[name], console=QUIET)
    return path


@pytest.mark.parametrize("name", FILES)
def test_a_file_in_a_run_scores_what_the_run_does(
    kfine_command: Command, run: Path, name: str
) -> None:
    said = kfine_command("evaluate", exported(run, name), "--json", "--quiet")
    assert (said.status, said.err) == (0, "")
    metrics = json.loads(said.out)
    ours = json.loads((run / "metrics.json").read_text())
    for key in ("primary", "direction", "count", "accuracy", "macro_f1", "confusion_matrix"):
        assert metrics[key] == ours[key]
    assert metrics["loss"] == pytest.approx(ours["loss"], abs=0.01)
    assert metrics["model"]["milliseconds"] > 0
    folder = run / "exports" / "evaluations" / name.removesuffix(".tflite").removesuffix(".onnx")
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert (folder / "plots" / "confusion_matrix.png").is_file()
    assert len(json.loads((folder / "predictions.json").read_text())) == metrics["count"]


def test_a_file_on_its_own_is_scored_on_other_data(
    kfine_command: Command, run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    alone = shutil.copy(run / "exports" / TFLITE, tmp_path / "mine.tflite")
    said = kfine_command("evaluate", alone, "--data", digit_photos)
    assert said.status == 0, said.err
    heading, row, speed = said.out.splitlines()[:3]
    assert heading.split()[0] == "accuracy"
    assert row.startswith("mine.tflite")
    assert speed.startswith("on 144 examples, ")
    (folder,) = (tmp_path / "evaluations").iterdir()
    assert str(folder) in said.err
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["count"] == 144
    assert set(metrics["per_class"]) == {"one", "two", "zero"}


def test_a_file_without_data_says_what_it_wants(
    kfine_command: Command, run: Path, tmp_path: Path
) -> None:
    alone = shutil.copy(run / "exports" / TFLITE, tmp_path)
    said = kfine_command("evaluate", alone)
    assert said.status == 2
    assert said.err == f"error: {alone} has no data of its own: give labelled data with --data.\n"
    assert [path.name for path in tmp_path.iterdir()] == [TFLITE]


def test_the_run_around_a_file_is_found_and_named_as_the_file_is(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.verbs.files import run_around

    file = run / "exports" / TFLITE
    assert run_around(file) == run
    assert run_around(run / "exports" / "bundle" / "model.tflite") == run
    assert run_around(tmp_path / TFLITE) is None
    monkeypatch.chdir(run.parent)
    assert run_around(file.relative_to(run.parent)) == Path(run.name)
    monkeypatch.chdir(run / "exports")
    assert run_around(Path(TFLITE)) == run


@pytest.mark.slow
def test_a_bundle_stands_for_its_file(
    kfine_command: Command, run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    bundle = kfine.export(copy, console=QUIET).bundle
    said = kfine_command("evaluate", bundle, "--json", "--quiet")
    assert said.status == 0, said.err
    assert json.loads(said.out)["model"]["path"] == str(bundle / "model.tflite")
    # A bundle is handed on as it was made.
    assert not (bundle / "evaluations").exists()
    assert (bundle.parent / "evaluations" / bundle.name / "metrics.json").is_file()
    photo = digit_photos / "one" / "0001.png"
    lines = [kfine_command("predict", model, photo).out for model in (bundle, copy)]
    assert lines[0].split()[1] == lines[1].split()[1]
    (row,) = json.loads(kfine_command("benchmark", bundle, "--no-keras", "--json", "-q").out)
    assert row["path"] == str(bundle / "model.tflite")


def test_data_with_an_unknown_class_is_refused(
    kfine_command: Command, run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    shutil.copytree(digit_photos / "one", tmp_path / "photos" / "uno")
    said = kfine_command("evaluate", run / "exports" / TFLITE, "--data", tmp_path / "photos")
    assert said.status == 2
    assert "uno" in said.err


def test_a_file_of_another_model_in_the_run_is_not_scored_on_its_data(
    kfine_command: Command, run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    info = json.loads((copy / "run.json").read_text())
    info["class_names"] = ["a", "b", "c"]
    (copy / "run.json").write_text(json.dumps(info))
    said = kfine_command("evaluate", copy / "exports" / TFLITE)
    assert said.status == 2
    assert "knows other classes than the run" in said.err


@pytest.mark.slow
def test_a_recipe_that_a_file_names_is_not_executed(
    kfine_command: Command, run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    from kfine.runtimes.carried import INFO

    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    model = shutil.copytree(exported(run, "saved_model"), tmp_path / "saved_model")
    path = model / "assets.extra" / INFO
    document = json.loads(path.read_text())
    document["info"]["recipe"] = str(evil)
    path.write_text(json.dumps(document))
    said = kfine_command("evaluate", model, "--data", digit_photos, "--quiet", "--json")
    (sentence,) = said.err.splitlines()
    assert (said.status, said.out) == (2, "")
    assert f"names the recipe {str(evil)!r}, which does not come with kfine" in sentence
    assert "evaluate it inside its run" in sentence
    # What a model is given and answers is in the file itself.
    photo = digit_photos / "one" / "0001.png"
    said = kfine_command("predict", model, photo, "--quiet", "--json")
    assert said.status == 0, said.err
    assert len(json.loads(said.out)) == 1
    assert not (tmp_path / "ran").exists()


def probabilities(prediction: Any) -> dict[str, float]:
    return {row["label"]: row["probability"] for row in prediction.rows}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_predicts_what_the_run_does(
    run: Path, digit_photos: Path, name: str
) -> None:
    photos = sorted(digit_photos.rglob("*.png"))[::12]
    ours = kfine.predict(run, photos, console=QUIET)
    theirs = kfine.predict(exported(run, name), photos, console=QUIET)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.name, one.label) == (other.name, other.label)
        assert probabilities(one) == pytest.approx(probabilities(other), abs=0.01)


@pytest.mark.parametrize(("format", "package"), [("onnx", "tf2onnx"), ("openvino", "openvino")])
def test_a_format_whose_package_is_missing_is_refused_at_once(
    kfine_command: Command,
    finished_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    package: str,
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == package else find(name)
    )
    said = kfine_command("export", finished_run, "--format", format)
    assert said.status == 2
    assert len(said.err.splitlines()) == 1
    assert f"pip install 'kfine[{format}]'" in said.err
    assert not (finished_run / "exports").exists()
