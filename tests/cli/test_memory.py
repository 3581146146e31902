"""Memory that does not suffice is said in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from kfine.child import same_kfine
from kfine.cli.failures import run_safely
from kfine.cli.memory import lacks_memory

resource = pytest.importorskip("resource")


def _limited(gigabytes: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kfine` under a limit of its address space."""
    limit = int(gigabytes * 1e9)
    return subprocess.run(
        [sys.executable, "-m", "kfine", *arguments],
        env=same_kfine(),
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )


def test_a_limit_under_which_tensorflow_cannot_be_loaded_is_refused_at_once(tmp_path: Path) -> None:
    done = _limited(0.5, "fit", "image_classification", "--data", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("error: TensorFlow needs 4 GB of address space")
    assert "Received: 0.5 GB" in done.stderr and done.stderr.count("\n") == 1


def test_help_needs_no_more_memory_than_it_takes() -> None:
    assert "--learning-rate" in _limited(0.5, "fit", "image_classification", "--help").stdout


def test_memory_that_runs_out_on_the_way_is_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def greedy() -> None:
        bytearray(1 << 60)

    assert run_safely(greedy, []) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: There is not enough memory") and "Traceback" not in said


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    assert lacks_memory(ImportError("libx.so: failed to map segment from shared object"))
    assert not lacks_memory(ImportError("libx.so: cannot open shared object file"))
    with pytest.raises(ValueError, match="another"):
        run_safely(click.Command("bad", callback=_fail), [])


def _fail() -> None:
    raise ValueError("another")
