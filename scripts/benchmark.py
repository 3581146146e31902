"""Measure start-up, whole runs over seeds, the feature cache, adapters, and the peers."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import adapters, caching, doctor, peers

KFINE = [sys.executable, "-m", "kfine"]


def start_up(arguments: argparse.Namespace) -> None:
    """Median seconds of two help pages over several runs, after one to warm up."""
    pages = (["--help"], ["fit", "image_classification", "--help"])
    for page in pages:
        subprocess.run([*KFINE, *page], check=True, stdout=subprocess.DEVNULL)
    seconds: dict[str, list[float]] = {" ".join(page): [] for page in pages}
    for _ in range(arguments.runs):
        for page in pages:
            start = time.perf_counter()
            subprocess.run([*KFINE, *page], check=True, stdout=subprocess.DEVNULL)
            seconds[" ".join(page)].append(time.perf_counter() - start)
    for name, found in seconds.items():
        middle = statistics.median(found)
        print(f"kfine {name}: {middle:.2f} s ({min(found):.2f} to {max(found):.2f})")


def accuracy(arguments: argparse.Namespace) -> None:
    """One `kfine fit`, `evaluate` and `export` per seed, each in a process of its own."""
    rows = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_one_run(arguments, seed, Path(folder) / "run"))
        print(json.dumps(rows[-1]), flush=True)
    for name in rows[0]:
        values = [row[name] for row in rows if row[name] is not None]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name}: {statistics.mean(values):.4f} (standard deviation {spread:.4f})")


def _one_run(arguments: argparse.Namespace, seed: int, run: Path) -> dict[str, Any]:
    settings = ["--data", arguments.data, "--seed", str(seed), *arguments.settings]
    start = time.perf_counter()
    peak = _peak_memory([*KFINE, "fit", "image_classification", *settings, "--run-dir", str(run)])
    row: dict[str, Any] = {"seed": seed, "fit_seconds": time.perf_counter() - start}
    row["peak_gigabytes"] = peak / 1e9
    metrics = _json([*KFINE, "evaluate", str(run), "--json"])
    row["accuracy"] = metrics["accuracy"]
    row["probe_accuracy"] = metrics["baselines"]["linear_probe"]["accuracy"]
    sizes = {}
    for quantize in arguments.export:
        report = _json(
            [
                *KFINE,
                "export",
                str(run),
                "--format",
                "tflite",
                "--quantize",
                quantize,
                "--max-drop",
                "1",
                "--json",
            ]
        )
        sizes[quantize] = report["size_bytes"]
        row[f"{quantize}_drop"] = report["verdict"]["drop"]
        row[f"{quantize}_agreement"] = report["verdict"]["agreement"]
        if "none" in sizes:
            row[f"{quantize}_size"] = report["size_bytes"] / sizes["none"]
    return row


def _peak_memory(command: list[str]) -> int:
    """Run a command and return the largest resident size of its process in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _json(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(required=True)
    quick = kinds.add_parser("start-up")
    quick.add_argument("--runs", type=int, default=10)
    quick.set_defaults(run=start_up)
    whole = kinds.add_parser("accuracy")
    whole.add_argument("data", help="a source that the recipe reads")
    whole.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    whole.add_argument("--export", nargs="*", default=["none", "float16", "int8"])
    whole.set_defaults(run=accuracy)
    compared = kinds.add_parser("caching")
    caching.add_arguments(compared)
    compared.set_defaults(run=caching.run)
    planted = kinds.add_parser("doctor")
    doctor.add_arguments(planted)
    planted.set_defaults(run=doctor.run)
    methods = kinds.add_parser("adapters")
    adapters.add_arguments(methods)
    methods.set_defaults(run=adapters.run)
    others = kinds.add_parser("peers")
    peers.add_arguments(others)
    others.set_defaults(run=peers.run)
    # What follows -- goes to `kfine fit`; argparse loses it behind options of several values.
    given, settings = sys.argv[1:], []
    if "--" in given:
        given, settings = given[: given.index("--")], given[given.index("--") + 1 :]
    arguments = parser.parse_args(given)
    arguments.settings = settings
    arguments.run(arguments)


if __name__ == "__main__":
    main()
