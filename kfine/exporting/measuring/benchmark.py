"""How fast, how large and how hungry models are, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from kfine.child import child_environment, death_of, module_command
from kfine.errors import ConfigError, ExportError
from kfine.runtimes.kinds import kind_of

# Seconds that loading, or one round, may take before the child is ended.
PATIENCE = 300
ROUNDS = 5


@dataclass(frozen=True)
class Measurement:
    """One model on this machine; times in milliseconds, sizes in bytes.

    Attributes:
        path: The file or folder, as given.
        kind: "keras", "saved_model", "tflite", "litertlm", "onnx" or "openvino".
        threads: CPU threads that the runtime may use.
        input_shape: Of the input that it was run on, `(1, height, width, 3)` or `(1, length)`.
        runs: Timed runs, one example each.
        load_ms: From the file to a model that can run, the import of its runtime left out.
        first_ms: The first run, in which memory is planned and graphs are traced.
        median_ms: Of the timed runs.
        p95_ms: 95th percentile of the timed runs.
        size_bytes: Of the file, or of all files of the folder; of a run, its `model.keras`.
        peak_memory_bytes: Largest resident memory of the whole process.
        runtime_memory_bytes: What of it Python and the runtime took before the model was loaded.
    """

    path: Path
    kind: str
    threads: int
    input_shape: tuple[int, ...]
    runs: int
    load_ms: float
    first_ms: float
    median_ms: float
    p95_ms: float
    size_bytes: int
    peak_memory_bytes: int
    runtime_memory_bytes: int

    @property
    def model_memory_bytes(self) -> int:
        """Memory that loading and running the model took on top of its runtime."""
        return max(0, self.peak_memory_bytes - self.runtime_memory_bytes)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        memory = {"model_memory_bytes": self.model_memory_bytes}
        return {**asdict(self), "path": str(self.path), **memory}


def measure(
    paths: Sequence[Path],
    *,
    threads: int = 1,
    runs: int = 50,
    warmup: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> list[Measurement]:
    """Run each model on the same kind of input, in turns.

    Each model is loaded in a process of its own, so that memory is its own. The timed runs are
    spread over five rounds in which the models take turns, so that a machine that slows down
    does so for all; each model's first run of a round is not counted.

    Args:
        paths: Run folders and exported files or folders.
        threads: CPU threads of every runtime.
        runs: Timed runs of each model, at least.
        warmup: Runs before those, not counted; the first is reported apart.
        progress: Called with (done, total) rounds.

    Returns:
        One measurement for each path, in their order.

    Raises:
        ConfigError: A count is not positive.
        ExportError: A model cannot be loaded or does not run.
    """
    for name, value in (("threads", threads), ("runs", runs), ("warmup", warmup)):
        if value < 1:
            raise ConfigError(f"{name} must be at least 1. Received: {value}")
    each = -(-runs // ROUNDS)
    with ExitStack() as stack:
        children = [
            stack.enter_context(_Child(path, threads, stack.enter_context(_noise_file())))
            for path in paths
        ]
        loaded, first = [], []
        # One at a time: what another one does meanwhile would be counted.
        for child in children:
            child.start()
            loaded.append(child.answer())
            first.append(child.ask(warmup)["times"][0])
        times: list[list[float]] = [[] for _ in children]
        for done in range(1, ROUNDS + 1):
            for found, child in zip(times, children, strict=True):
                found.extend(child.ask(each + 1)["times"][1:])
            if progress:
                progress(done, ROUNDS)
        peaks = [child.ask("")["peak"] for child in children]
    return [
        Measurement(
            path=path,
            kind=child.kind,
            threads=threads,
            input_shape=tuple(said["input_shape"]),
            runs=len(found),
            load_ms=said["load_ms"],
            first_ms=start,
            median_ms=float(np.median(found)),
            p95_ms=float(np.percentile(found, 95)),
            size_bytes=model_size(path),
            peak_memory_bytes=peak,
            runtime_memory_bytes=said["runtime"],
        )
        for path, child, said, start, found, peak in zip(
            paths, children, loaded, first, times, peaks, strict=True
        )
    ]


def model_size(path: Path) -> int:
    """Bytes of a file, of all files of an exported folder, or of a run's Keras model."""
    if (path / "run.json").is_file():
        path = path / "model.keras"
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _noise_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", errors="replace")


class _Child:
    """The process of one model; ended with the `with` block whatever happens."""

    def __init__(self, path: Path, threads: int, noise: IO[str]) -> None:
        self.path = path
        self.kind = kind_of(path)
        self._command = module_command(
            "kfine.exporting.measuring.benchmark_child", path, self.kind, threads
        )
        self._process: subprocess.Popen[str] | None = None
        self._noise = noise

    def start(self) -> None:
        """Begin to load; the first answer says how that went."""
        self._process = subprocess.Popen(
            self._command,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            text=True,
        )

    def ask(self, line: object) -> dict[str, Any]:
        """Send a line and wait for its answer."""
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer.

        Raises:
            ExportError: The model cannot be used, or its process ended or took too long.
        """
        assert self._process is not None and self._process.stdout is not None
        timer = threading.Timer(PATIENCE, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise self._death()
        values: dict[str, Any] = json.loads(line)
        if "error" in values:
            raise ExportError(values["error"])
        return values

    def _death(self) -> ExportError:
        assert self._process is not None
        status = self._process.wait()
        self._noise.seek(0)
        said = self._noise.read().strip()
        how = death_of(status) if status < 0 else said.splitlines()[-1] if said else "no message"
        error = ExportError(f"{self.path} ended the process that ran it: {how.rstrip('.')}.")
        error.add_note(said)
        return error

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
