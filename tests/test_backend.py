"""Keras is set to what kfine needs, and what a user set otherwise is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.keras

PROGRAM = """
from kfine.backend import load_backend

load_backend()
load_backend()
import keras
import pytest

print(keras.backend.backend(), keras.config.floatx(), keras.config.image_data_format())
print(keras.layers.Dense(1).dtype_policy.name)
"""


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_other_settings_of_keras_are_not_followed_and_named_once(tmp_path: Path) -> None:
    settings = {"floatx": "float16", "image_data_format": "channels_first", "backend": "torch"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    done = run(PROGRAM, KERAS_HOME=str(tmp_path), KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["tensorflow", "float32", "channels_last", "float32"]
    (line,) = done.stderr.splitlines()
    for words in ("KERAS_BACKEND=torch", "floatx float16", "image_data_format channels_first"):
        assert words in line


def test_the_settings_that_kfine_wants_need_no_word(tmp_path: Path) -> None:
    done = run(PROGRAM, KERAS_HOME=str(tmp_path), KERAS_BACKEND="")
    assert (done.returncode, done.stderr) == (0, "")
