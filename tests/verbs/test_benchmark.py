"""Models measured beside each other, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError, ExportError
from kfine.exporting.measuring.phone import TOOL, read_report

QUIET = Console(quiet=True)
Command = Callable[..., Any]

# What the tool printed on a phone, found in a public log.
SAID = """STARTING!
Loaded model /data/local/tmp/albert_base.tflite
The input model file size (MB): 11.983
Initialized session in 20.283ms.
count=2 first=339304 curr=266325 min=266325 max=339304 avg=302814 std=36489

count=50 first=266601 curr=266931 min=265837 max=268116 avg=266473 std=419

Inference timings in us: Init: 20283, First inference: 339304, Warmup (avg): 302814, \
Inference (avg): 266473
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE
Memory footprint delta from the start of the tool (MB): init=0 overall=24.5
"""


@pytest.fixture(scope="module")
def exported(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.tflite` file in the exports of its run."""
    run = shutil.copytree(finished_run, tmp_path_factory.mktemp("benchmark") / "run")
    return Path(kfine.export(run, format="tflite", console=QUIET).path)


def test_a_file_is_measured_beside_the_run_that_it_lies_in(
    kfine_command: Command, exported: Path
) -> None:
    said = kfine_command("benchmark", exported, "--runs", 10, "--json", "--quiet")
    assert (said.status, said.err) == (0, "")
    keras, file = json.loads(said.out)
    run = exported.parents[1]
    assert (keras["kind"], file["kind"]) == ("keras", "tflite")
    assert (keras["path"], file["path"]) == (str(run), str(exported))
    for one in (keras, file):
        assert 0 < one["median_ms"] <= one["p95_ms"]
        assert one["first_ms"] > 0 and one["load_ms"] > 0
        assert (one["runs"], one["threads"], one["input_shape"]) == (10, 1, [1, 32, 32, 3])
        assert one["runtime_memory_bytes"] <= one["peak_memory_bytes"]
    assert file["size_bytes"] == exported.stat().st_size
    assert keras["size_bytes"] == (run / "model.keras").stat().st_size
    assert file["latency_of_keras"] == pytest.approx(file["median_ms"] / keras["median_ms"])
    # The file's process has no TensorFlow in it, although this one has.
    assert file["peak_memory_bytes"] < keras["peak_memory_bytes"] / 2


def test_the_table_has_a_row_for_each_file(kfine_command: Command, exported: Path) -> None:
    said = kfine_command("benchmark", exported, exported, "--runs", 5, "--no-keras", "--threads", 2)
    assert said.status == 0, said.err
    heading, row = said.out.splitlines()
    assert heading.split()[:3] == ["model", "median", "p95"]
    assert row.startswith(str(exported))
    assert "5 runs each" in said.err and "2 threads" in said.err


def test_a_damaged_file_is_one_sentence(
    kfine_command: Command, exported: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(exported.read_bytes()[:5000])
    for path in (bad, tmp_path / "nix.tflite", tmp_path):
        said = kfine_command("benchmark", path, "--quiet")
        assert said.status == 2
        assert len(said.err.splitlines()) == 1
        assert str(path) in said.err


def test_a_model_that_ends_its_process_is_named(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kfine.exporting.measuring.benchmark

    monkeypatch.setattr(kfine.exporting.measuring.benchmark, "PATIENCE", 0.01)
    with pytest.raises(ExportError, match=r"ended the process that ran it: SIGKILL\.$"):
        kfine.benchmark(exported, keras=False, console=QUIET)


def test_counts_must_be_positive(exported: Path) -> None:
    with pytest.raises(ConfigError, match=r"runs must be at least 1\. Received: 0"):
        kfine.benchmark(exported, runs=0, console=QUIET)
    with pytest.raises(ConfigError, match="nothing to measure"):
        kfine.benchmark(console=QUIET)


def test_without_adb_the_message_says_what_to_install(
    kfine_command: Command, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = kfine_command("benchmark", exported, "--adb")
    assert said.status == 2
    assert len(said.err.splitlines()) == 1
    assert "adb" in said.err and "platform-tools" in said.err
    said = kfine_command("benchmark", exported.parents[1], "--adb")
    assert "measures .tflite files only" in said.err


def phone(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A program named adb that answers like a phone and keeps a list of what it was asked."""
    program = folder / "adb"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n{script}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "asked"


def test_a_phone_is_asked_with_the_same_threads_and_runs(
    kfine_command: Command, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "said").write_text(SAID)
    asked = phone(
        tmp_path,
        monkeypatch,
        f"""case "$*" in
        get-state) echo device ;;
        *getprop*) echo Pixel 9 ;;
        *test*) echo yes ;;
        *--graph=*) cat {tmp_path}/said >&2 ;;
        esac""",
    )
    arguments = (exported, "--adb", "--threads", 4, "--runs", 30, "--json", "--quiet")
    said = kfine_command("benchmark", *arguments)
    assert said.status == 0, said.err
    (row,) = json.loads(said.out)
    assert (row["phone"], row["runs"], row["mean_ms"]) == ("Pixel 9", 50, 266.473)
    lines = asked.read_text().splitlines()
    (run,) = [line for line in lines if TOOL in line and "--graph" in line]
    assert "--num_threads=4 --num_runs=30 --warmup_runs=5" in run
    assert lines[-1].startswith("shell rm -f /data/local/tmp/kfine-")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'error: no devices/emulators found' >&2; exit 1", "no devices/emulators found"),
        ("echo unauthorized", "allow USB debugging"),
        ('case "$*" in get-state) echo device ;; *test*) echo no ;; esac', "--adb-tool"),
        (
            'case "$*" in get-state) echo device ;; *test*) echo yes ;; '
            "*--graph*) echo Failed to load ;; esac",
            "Failed to load",
        ),
    ],
)
def test_a_phone_that_cannot_measure_is_one_sentence(
    kfine_command: Command,
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    words: str,
) -> None:
    phone(tmp_path, monkeypatch, script)
    said = kfine_command("benchmark", exported, "--adb")
    assert said.status == 2
    assert len(said.err.splitlines()) == 1
    assert words in said.err


def test_the_tools_report_is_read_in_milliseconds_and_bytes() -> None:
    found = read_report(SAID, Path("albert.tflite"), "Pixel", threads=1)
    assert (found.load_ms, found.first_ms, found.warmup_ms) == (20.283, 339.304, 302.814)
    assert (found.mean_ms, found.max_ms, found.runs) == (266.473, 268.116, 50)
    assert found.memory_bytes == round(24.5 * 2**20)
    with pytest.raises(ExportError, match="did not run x: the tool said 'nothing'"):
        read_report("", Path("x"), "Pixel", threads=1)
