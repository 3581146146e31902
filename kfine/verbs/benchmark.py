"""`benchmark`: exported files beside each other and beside Keras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.console import Console
from kfine.errors import ConfigError, ExportError
from kfine.training.run import TrainedRun
from kfine.verbs.files import is_run, run_around

if TYPE_CHECKING:
    from kfine.exporting.measuring.benchmark import Measurement
    from kfine.exporting.measuring.phone import PhoneMeasurement


def benchmark(
    *models: TrainedRun | str | Path,
    threads: int = 1,
    runs: int = 50,
    warmup: int = 5,
    keras: bool = True,
    console: Console | None = None,
) -> list[Measurement]:
    """Measure latency, load time, memory and size of models on this machine.

    Args:
        models: Exported files or folders, and runs, which are measured as Keras models.
        threads: CPU threads of every runtime.
        runs: Timed runs of each model.
        warmup: Runs before those, not counted.
        keras: Measure the run that a file lies in too, as the baseline.
        console: Hears of the progress.

    Returns:
        One `Measurement` for each model, runs first.

    Raises:
        KfineError: A model is missing, damaged, or does not run.
    """
    console = console or Console()
    if not models:
        raise ConfigError("There is nothing to measure: give exported files or run folders.")
    from kfine.exporting.measuring.benchmark import measure
    from kfine.runtimes.kinds import find_model, kind_of

    paths = [one.path if isinstance(one, TrainedRun) else find_model(one) for one in models]
    paths = _runs_first(paths, keras)
    for path in paths:
        kind_of(path)
        if is_run(path):
            TrainedRun(path).folder.require_finished()
    return measure(
        paths, threads=threads, runs=runs, warmup=warmup, progress=console.count("rounds")
    )


def benchmark_on_phone(
    *models: str | Path,
    threads: int = 1,
    runs: int = 50,
    warmup: int = 5,
    tool: str | Path | None = None,
    console: Console | None = None,
) -> list[PhoneMeasurement]:
    """Run LiteRT's `benchmark_model` on a phone that adb finds.

    Args:
        models: `.tflite` files; others are left out with a warning.
        threads: CPU threads on the phone.
        runs: Timed runs of each file.
        warmup: Runs before those.
        tool: The tool for the phone's processor, to push; omitted if the phone has it.
        console: Hears of the progress.

    Returns:
        One measurement for each `.tflite` file.

    Raises:
        KfineError: There is no adb, no phone, no tool, or no `.tflite` file.
    """
    from kfine.exporting.measuring.phone import find_phone, measure_on_phone, push_tool
    from kfine.runtimes.kinds import find_model, kind_of

    console = console or Console()
    kinds = {path: kind_of(path) for path in map(find_model, models)}
    files = [path for path, kind in kinds.items() if kind == "tflite"]
    if not files:
        raise ExportError("--adb measures .tflite files only. Received: none.")
    for path in kinds.keys() - files:
        console.warn(f"{path} is not measured on the phone: it is no .tflite file")
    phone = find_phone()
    push_tool(None if tool is None else Path(tool))
    return [
        measure_on_phone(path, phone, threads=threads, runs=runs, warmup=warmup) for path in files
    ]


def keras_median(found: Sequence[Measurement]) -> float | None:
    """The latency of the first Keras model in milliseconds: what files are compared with."""
    return next((one.median_ms for one in found if one.kind == "keras"), None)


def as_rows(found: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Measurements as JSON-able rows, with each latency as a share of Keras' (`None` without)."""
    base = keras_median(found)
    return [
        {**one.to_dict(), "latency_of_keras": None if base is None else one.median_ms / base}
        for one in found
    ]


def _runs_first(paths: list[Path], around: bool) -> list[Path]:
    """Each path once, the runs first; with those that the files lie in if `around`."""
    runs = [path for path in paths if is_run(path)]
    if around:
        runs += [run for run in map(run_around, paths) if run is not None]
    seen: dict[Path, Path] = {}
    for path in [*runs, *(path for path in paths if not is_run(path))]:
        seen.setdefault(path.absolute(), path)
    return list(seen.values())
