"""Child processes run kfine's code and Python's, whatever lies in the user's folder."""

from __future__ import annotations

import os
import subprocess
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
