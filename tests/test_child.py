"""Child processes run kfine's code and Python's, whatever lies in the user's folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kfine.child import child_environment, module_command, same_kfine

NAMES = ("random", "json", "click", "numpy", "logging", "tokenize", "kfine")


@pytest.mark.parametrize("given", ["", os.pathsep, "/nowhere"])
def test_files_of_the_user_are_not_run_in_the_place_of_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("open('ran', 'w').close()\nraise SystemExit(1)\n")
    monkeypatch.setenv("PYTHONPATH", given)
    command = module_command("kfine", "recipes")
    for environment in (child_environment(), same_kfine()):
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "image_classification" in done.stdout
    assert not (tmp_path / "ran").exists()


def plant(folder: Path) -> None:
    for name in (*NAMES, "keras", "tensorflow", "PIL", "yaml", "queue"):
        (folder / f"{name}.py").write_text("open('ran', 'w').close()\nraise SystemExit(1)\n")


def test_the_module_does_not_run_them_either(tmp_path: Path) -> None:
    plant(tmp_path)
    (tmp_path / "kfine.py").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "kfine", "recipes"],
        env=same_kfine(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "ran").exists()


# Every verb as its command runs it, one after the other in a process that lies beside such files.
VERBS = """
import json, sys
from kfine.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as done:
        assert not done.code, (arguments, done.code)
"""


@pytest.mark.slow
def test_no_verb_runs_them(
    finished_run: Path, digit_photos: Path, tiny_preset: str, tmp_path: Path
) -> None:
    import shutil

    run = shutil.copytree(finished_run, tmp_path / "run")
    plant(tmp_path)
    photo = next(digit_photos.rglob("*.png"))
    settings = ["image_classification", "--data", digit_photos, "--preset", tiny_preset]
    settings += ["--epochs", 1, "--image-size", 32, "--unfreeze", "none"]
    file = run / "exports" / "model-float16.tflite"
    verbs: list[list[object]] = [
        ["fit", *settings, "--dry-run"],
        ["fit", *settings, "--run-dir", "fitted"],
        ["evaluate", run],
        ["predict", run, photo],
        ["export", run, "--format", "tflite", "--max-drop", 1],
        ["predict", file, photo],
        ["evaluate", file],
        ["benchmark", file, "--runs", 5],
        ["tune", *settings, "--trials", 1, "--workers", 1, "--run-dir", "search"],
        *(["runs"], ["recipes"]),
    ]
    code = json.dumps([[str(one) for one in arguments] for arguments in verbs])
    done = subprocess.run(
        [sys.executable, "-P", "-c", VERBS, code],
        env=same_kfine(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
