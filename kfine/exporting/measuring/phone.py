"""The LiteRT benchmark tool on a plugged-in Android phone, over adb."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kfine.errors import ExportError, MissingPackage

FOLDER = "/data/local/tmp"
TOOL = f"{FOLDER}/benchmark_model"
DOWNLOAD = "https://ai.google.dev/edge/litert/models/measurement"
_SECONDS = 300
_NUMBER = r"([\d.e+]+)"
_TIMINGS = re.compile(
    rf"Init: {_NUMBER}, First inference: {_NUMBER}, "
    rf"Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}"
)
_MEMORY = re.compile(rf"overall={_NUMBER}")
_COUNT = re.compile(rf"count=(\d+).*?min={_NUMBER} max={_NUMBER}")


@dataclass(frozen=True)
class PhoneMeasurement:
    """One `.tflite` file on a phone, as the benchmark tool reports it.

    Attributes:
        path: The file, as given.
        phone: The phone's model name.
        threads: CPU threads.
        runs: Timed runs.
        load_ms: Milliseconds to load the model and plan its memory.
        first_ms: Of the first run.
        warmup_ms: Mean of the runs before the timed ones.
        mean_ms: Mean of the timed runs; the tool gives no median.
        max_ms: Slowest of the timed runs.
        memory_bytes: What the tool says of the memory taken, approximate; `None` if it does not.
    """

    path: Path
    phone: str
    threads: int
    runs: int
    load_ms: float
    first_ms: float
    warmup_ms: float
    mean_ms: float
    max_ms: float
    memory_bytes: int | None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return {**asdict(self), "path": str(self.path)}


def find_phone() -> str:
    """The model name of the one phone that answers; `ANDROID_SERIAL` chooses among several.

    Raises:
        MissingPackage: adb is not installed.
        ExportError: No phone answers, or more than one, or it lacks the benchmark tool.
    """
    if shutil.which("adb") is None:
        raise MissingPackage(
            "--adb needs the program adb on the PATH: install Android's platform-tools "
            "(https://developer.android.com/tools/releases/platform-tools)."
        )
    if _adb("get-state").strip() != "device":
        raise ExportError("The phone is not ready: unlock it and allow USB debugging.")
    return _adb("shell", "getprop", "ro.product.model").strip() or "phone"


def push_tool(tool: Path | None) -> None:
    """Put the benchmark tool on the phone, or see that it is there.

    Args:
        tool: The tool for the phone's processor on this machine; `None` if it is on the phone.

    Raises:
        ExportError: It is neither here nor there.
    """
    if tool is not None:
        if not tool.is_file():
            raise ExportError(f"There is no benchmark tool {tool}.")
        _adb("push", str(tool), TOOL)
        _adb("shell", "chmod", "755", TOOL)
    elif "yes" not in _adb("shell", f"test -x {TOOL} && echo yes || echo no"):
        raise ExportError(
            f"The phone has no {TOOL}: download the tool for its processor from {DOWNLOAD} and "
            "give it with --adb-tool."
        )


def measure_on_phone(
    path: Path, phone: str, *, threads: int, runs: int, warmup: int
) -> PhoneMeasurement:
    """Push a `.tflite` file, run the tool on it, and take the file away again.

    Args:
        path: The file.
        phone: What `find_phone` gave.
        threads: CPU threads.
        runs: Timed runs.
        warmup: Runs before those.

    Raises:
        ExportError: The tool fails, or says something else than it used to.
    """
    there = f"{FOLDER}/kfine-{path.stat().st_size}.tflite"
    _adb("push", str(path), there)
    try:
        said = _adb(
            "shell",
            TOOL,
            f"--graph={there}",
            f"--num_threads={threads}",
            f"--num_runs={runs}",
            f"--warmup_runs={warmup}",
        )
    finally:
        _adb("shell", "rm", "-f", there)
    return read_report(said, path, phone, threads)


def read_report(said: str, path: Path, phone: str, threads: int) -> PhoneMeasurement:
    """Read the lines that the benchmark tool prints; it counts in microseconds and megabytes.

    Raises:
        ExportError: They hold no timings.

    Reference:
        https://ai.google.dev/edge/litert/models/measurement
    """
    timings, counts = _TIMINGS.search(said), _COUNT.findall(said)
    if timings is None or not counts:
        lines = said.strip().splitlines() or ["nothing"]
        raise ExportError(f"The phone did not run {path}: the tool said {lines[-1][:200]!r}.")
    load, first, warmup, mean = (float(one) / 1000 for one in timings.groups())
    memory = _MEMORY.search(said)
    return PhoneMeasurement(
        path=path,
        phone=phone,
        threads=threads,
        runs=int(counts[-1][0]),
        load_ms=load,
        first_ms=first,
        warmup_ms=warmup,
        mean_ms=mean,
        max_ms=float(counts[-1][2]) / 1000,
        memory_bytes=round(float(memory[1]) * 2**20) if memory else None,
    )


def _adb(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["adb", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ExportError(f"adb {arguments[0]} did not answer within {_SECONDS} s.") from None
    # The tool logs to standard error, which adb hands on.
    said = done.stdout + done.stderr
    if done.returncode:
        lines = said.strip().splitlines() or [f"exit status {done.returncode}"]
        reason = lines[-1].removeprefix("error: ").removeprefix("adb: ").rstrip(".")
        raise ExportError(f"adb {arguments[0]} failed: {reason}.")
    return said
