"""What the verbs print: results on standard output, everything else on standard error."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kfine.recipe import recipes_folder
from kfine.runs.folder import RunFolder

Command = Callable[..., Any]


def options(settings: dict[str, Any]) -> list[str]:
    return [
        word
        for name, value in settings.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]


def test_commands_that_are_proposed_can_be_pasted(
    kfine_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copied = kfine_command("recipes", "copy", "image_classification", "my recipe.py")
    assert "kfine fit './my recipe.py' --help" in copied.err


def test_predicting_with_a_run_says_nothing_of_tensorflow(
    finished_run: Path, digit_photos: Path
) -> None:
    photo = next((digit_photos / "one").iterdir())
    silenced = ("TF_CPP_MIN_LOG_LEVEL", "GLOG_minloglevel")
    done = subprocess.run(
        [sys.executable, "-m", "kfine", "predict", str(finished_run), str(photo)],
        env={name: value for name, value in os.environ.items() if name not in silenced},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("loading the model") and len(done.stderr.splitlines()) == 1


def test_a_copied_recipe_fits_like_its_original(
    kfine_command: Command,
    tiny_settings: dict[str, Any],
    finished_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    copied = kfine_command("recipes", "copy", "image_classification", "mine.py")
    assert (copied.status, copied.out) == (0, "mine.py\n")
    assert "kfine fit ./mine.py" in copied.err
    said = kfine_command("fit", "./mine.py", *options(tiny_settings), "--run-dir", "run", "--json")
    assert said.status == 0, said.err
    result = json.loads(said.out)
    assert result["run"] == str(tmp_path / "run")
    assert result["status"] == "finished"
    assert result["recipe"] == str(tmp_path / "mine.py")
    for words in ("train: 102 examples of 3 classes", "stage 2 of 3", "epoch 3/3", "kept the"):
        assert words in said.err
    first = json.loads((finished_run / "history.json").read_text())
    assert json.loads(Path("run/history.json").read_text()) == first

    listed = kfine_command("runs", ".", "--json")
    (row,) = json.loads(listed.out)
    assert (row["run"], row["recipe"], row["status"]) == ("run", "mine", "finished")
    finished = kfine_command("fit", "--resume", "run")
    assert finished.status == 2
    assert "has finished" in finished.err


def test_a_dry_run_as_json(
    kfine_command: Command, tiny_settings: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    given = (*options({**tiny_settings, "epochs": 2, "unfreeze": "none"}), "--dry-run", "--quiet")
    said = kfine_command("fit", "--json", "image_classification", *given)
    assert said.status == 0
    # All that is not quiet: 21 examples to validate and to test on.
    assert all("too few to tell much" in line for line in said.err.splitlines())
    assert len(json.loads(said.out)["stages"]) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("several", [("--folds", "3"), ("--fractions", "0.5,1")])
def test_a_time_and_a_price_are_of_one_run(
    kfine_command: Command, several: tuple[str, str]
) -> None:
    for option in (("--time", "1h"), ("--price", "2/h")):
        said = kfine_command("fit", "image_classification", "--data", "x", *several, *option)
        assert said.status == 2
        assert "--time and --price are of one run, and --folds and --fractions make" in said.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "names no column. Received: ''"),
        (" , ", "names no column"),
        ('light, "a, b"', "Slices are columns"),
    ],
)
def test_columns_are_separated_by_commas(
    kfine_command: Command, finished_run: Path, given: str, said: str
) -> None:
    answered = kfine_command("evaluate", finished_run, "--slices", given)
    assert answered.status == 2 and said in answered.err


def test_unfamiliar_examples_that_are_not_there_are_refused(
    kfine_command: Command, finished_run: Path
) -> None:
    said = kfine_command("stress", finished_run, "--unfamiliar", "nowhere")
    assert said.status == 2
    assert "There is no file or folder nowhere of unfamiliar examples" in said.err
    assert "loading" not in said.err


def test_the_doctor_is_told_its_data_first(kfine_command: Command) -> None:
    said = kfine_command("doctor", "image_classification", "--data", "my photos")
    assert said.status == 2
    assert "kfine doctor 'my photos' --recipe image_classification" in said.err


def test_a_folder_of_several_runs_names_one(kfine_command: Command, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"fold-{number}").mkdir()
        (tmp_path / f"fold-{number}" / "run.json").write_text("{}")
    said = kfine_command("report", tmp_path)
    assert said.status == 2
    assert f"holds 2 runs and is none itself: give one of them, such as {tmp_path}" in said.err


def test_slices_need_a_table(kfine_command: Command, finished_run: Path) -> None:
    said = kfine_command("evaluate", finished_run, "--slices", "light, device")
    assert said.status == 2
    assert "Slices are columns of a manifest (.csv, .tsv or .jsonl), and" in said.err


def test_evaluate_prints_a_table_and_json(kfine_command: Command, finished_run: Path) -> None:
    said = kfine_command("evaluate", finished_run, "--quiet")
    assert said.status == 0
    for words in ("fine-tuned", "linear probe", "majority class", "macro F1", "precision", "zero"):
        assert words in said.out
    again = kfine_command("evaluate", finished_run, "--json", "--quiet")
    metrics = json.loads(again.out)
    assert metrics == json.loads((finished_run / "metrics.json").read_text())
    assert not again.err
    offered = "image_classification ... --unfreeze none trains it in seconds" in said.out
    gain = metrics["gain"]
    assert offered == (gain["p_value"] > 0.05 or gain["interval"][0] <= 0)
    assert ("better by more than chance" in said.out) != offered


@pytest.mark.parametrize(
    ("p_value", "low", "depth", "offered"),
    [(0.2, -0.1, 2, True), (0.2, -0.1, 0, False), (0.01, 0.1, 2, False), (0.04, -0.01, 2, True)],
)
def test_the_head_alone_is_offered_where_it_may_be_as_good(
    p_value: float,
    low: float,
    depth: int,
    offered: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from kfine.cli.evaluate import _offer_head

    stages = [{"depth": 0}, {"depth": depth}]
    (tmp_path / "run.json").write_text(json.dumps({"recipe": "mine.py", "stages": stages}))
    gain = {"over": "linear_probe", "p_value": p_value, "interval": [low, 0.2]}
    _offer_head(str(tmp_path), {"gain": gain})
    assert ("kfine fit mine.py" in capsys.readouterr().out) == offered


def test_predict_prints_classes_json_and_csv(
    kfine_command: Command, finished_run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    photo = digit_photos / "one" / "0001.png"
    (line,) = kfine_command("predict", finished_run, photo, "--top", 2).out.splitlines()
    assert line.startswith(f"{photo}: ")
    assert line.count(",") == 1
    unsure = kfine_command("predict", finished_run, photo, "--unsure-below", 0.99).out
    assert f"{photo}: unsure: " in unsure
    (row,) = json.loads(kfine_command("predict", finished_run, photo, "--json").out)
    assert row["name"] == str(photo)
    assert len(row["predictions"]) == 3

    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "a, b.png").write_bytes(photo.read_bytes())
    said = kfine_command("predict", finished_run, tmp_path)
    assert said.status == 0
    (row,) = csv.DictReader(io.StringIO(said.out))
    assert row["name"] == str(tmp_path / "a, b.png")
    assert row["label"] in ("one", "two", "zero")
    assert 0 <= float(row["probability"]) <= 1
    assert str(tmp_path / "broken.png") in said.err


def test_an_exported_file_predicts_what_the_run_does(
    kfine_command: Command, finished_run: Path, digit_photos: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    said = kfine_command("export", run, "--json", "--quiet")
    assert said.status == 0, said.err
    report = json.loads(said.out)
    file = Path(report["path"])
    assert file.suffix == ".tflite"
    assert file.is_file()
    photos = sorted((digit_photos / "two").iterdir())[:3]
    rows = [
        json.loads(kfine_command("predict", model, *photos, "--json", "--quiet").out)
        for model in (run, file)
    ]
    for ours, theirs in zip(*rows, strict=True):
        assert ours["label"] == theirs["label"]
        for one, other in zip(ours["predictions"], theirs["predictions"], strict=True):
            assert one["label"] == other["label"]
            assert one["probability"] == pytest.approx(other["probability"], abs=0.01)


def test_runs_are_listed(
    kfine_command: Command, finished_run: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    said = kfine_command("runs", finished_run.parent)
    assert said.status == 0
    assert "finished" in said.out
    assert finished_run.name in said.out
    (row,) = json.loads(kfine_command("runs", finished_run.parent, "--json").out)
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert row["test"] == round(metrics["accuracy"], 3)
    # A killed process cannot say that it stopped.
    RunFolder(tmp_path / "dead").update(status="running", recipe="x", started="2026")
    (row,) = json.loads(kfine_command("runs", tmp_path, "--json").out)
    assert row["status"] == "interrupted"
    monkeypatch.chdir(tmp_path / "dead")
    assert "no runs in runs" in kfine_command("runs").err
    assert kfine_command("runs", "elsewhere").status == 2
    empty = kfine_command("runs", ".", "--json")
    assert (empty.status, json.loads(empty.out)) == (0, [])


def test_recipes_are_listed(kfine_command: Command) -> None:
    assert "image_classification    Classify photos" in kfine_command("recipes").out
    assert list(json.loads(kfine_command("recipes", "--json").out)) == [
        "audio_classification",
        "image_class_and_number",
        "image_classification",
        "image_labels",
        "image_regression",
        "image_segmentation",
        "object_detection",
        "question_answering",
        "speech_recognition",
        "text_classification",
        "text_generation",
        "token_classification",
    ]


@pytest.mark.keras
def test_presets_are_listed(
    kfine_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    said = kfine_command("presets", "--offline")
    assert said.status == 0
    rows = said.out.splitlines()[1:]
    shipped = (
        ("efficientnet_lite0", "3.4 M", "224 px"),
        ("deeplabv3_mobilenetv2", "2.1 M", "513"),
        ("yolox_nano", "0.9 M", "416"),
    )
    for line, words in zip(rows, shipped, strict=True):
        assert all(word in line for word in (*words, "ships"))
    said = kfine_command("presets", "text_classification", "--offline")
    assert (said.status, said.out) == (0, "") and "no preset for text_classification" in said.err
    found = json.loads(kfine_command("presets", "--offline", "--json").out)
    assert [row["origin"] for row in found] == ["ships"] * 3
    assert all(row["bytes"] < 8e6 for row in found)
    everything = json.loads(kfine_command("presets", "--json", "--quiet").out)
    assert {"resnet_50_imagenet", "efficientnet_lite0"} <= {one["name"] for one in everything}
    assert {one["origin"] for one in everything} == {"ships", "needs the network"}


def test_a_recipe_runs_as_a_script() -> None:
    command = [sys.executable, str(recipes_folder() / "image_classification.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "--learning-rate" in done.stdout
