"""A run killed anywhere and resumed ends with the weights of an undisturbed one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import RunError
from kfine.runs.folder import open_run

# The process kills itself with SIGKILL at a chosen moment: when a line is said, at a step inside an
# epoch, or in the middle of writing a checkpoint.
KILLER = """
import json, os, signal, sys
import kfine
from kfine.console import Console
from kfine.training import checkpoints

moment, arguments = sys.argv[1], json.loads(sys.argv[2])
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)

class Killer(Console):
    def say(self, line=""):
        if line.startswith(moment):
            kill()

    def progress(self, line, *, force=False):
        if line.startswith(moment):
            kill()

if moment.startswith("checkpoint"):
    write_json = checkpoints.write_json
    def write_or_die(path, value):
        if value["epochs_done"] == int(moment.split()[1]):
            kill()
        write_json(path, value)
    checkpoints.write_json = write_or_die
kfine.fit(console=Killer(quiet=True), **arguments)
"""


def killed(moment: str, **arguments: Any) -> None:
    import json

    done = subprocess.run(
        [sys.executable, "-c", KILLER, moment, json.dumps(arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.slow
def test_a_run_killed_anywhere_resumes_to_the_same_weights(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {**tiny_settings, "epochs": 6, "unfreeze": "3:2,5:4", "ema": 0.9, "start_decay": 20}
    quiet = Console(quiet=True)
    whole = kfine.fit("image_classification", run_dir=tmp_path / "a", console=quiet, **settings)
    run_dir = str(tmp_path / "b")
    killed("epoch 1/6: acc", recipe="image_classification", run_dir=run_dir, **settings)
    killed("checkpoint 2", resume=run_dir)
    killed("stage 2", resume=run_dir)
    killed("epoch 3/6: acc", resume=run_dir)
    killed("stage 3", resume=run_dir)
    killed("epoch 6/6: step 3", resume=run_dir)
    resumed = kfine.fit(resume=run_dir, console=quiet)
    for ours, theirs in zip(resumed.model.weights, whole.model.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=1e-6)
    for ours, theirs in zip(resumed.history, whole.history, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_control_c_leaves_a_resumable_run(tiny_settings: dict[str, Any], tmp_path: Path) -> None:
    class Interrupting(Console):
        def say(self, line: str = "") -> None:
            if line.startswith("epoch 2"):
                raise KeyboardInterrupt

    run_dir = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        kfine.fit("image_classification", run_dir=run_dir, console=Interrupting(), **tiny_settings)
    assert open_run(run_dir).info()["status"] == "interrupted"
    with pytest.raises(RunError, match="--resume"):
        kfine.evaluate(run_dir)
    run = kfine.fit(resume=run_dir, console=Console(quiet=True))
    assert [entry["epoch"] for entry in run.history] == [1, 2, 3]


def test_resuming_on_changed_data_is_refused(tiny_settings: dict[str, Any], tmp_path: Path) -> None:
    import shutil

    photos = tmp_path / "photos"
    shutil.copytree(tiny_settings["data"], photos)
    settings = {**tiny_settings, "data": str(photos)}

    class Interrupting(Console):
        def say(self, line: str = "") -> None:
            if line.startswith("epoch 1"):
                raise KeyboardInterrupt

    run_dir = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        kfine.fit("image_classification", run_dir=run_dir, console=Interrupting(), **settings)
    shutil.copy(next((photos / "one").iterdir()), next((photos / "zero").iterdir()))
    with pytest.raises(RunError, match=r"data of .* changed .*\(1 not the same, such as zero/"):
        kfine.fit(resume=run_dir, console=Console(quiet=True))
