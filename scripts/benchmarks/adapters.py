"""`scripts/benchmark adapters`: adapters and unfreezing side by side, and what each forgets.

Each run is a `kfine fit` in a process of its own; the methods take turns, seed by seed. What is
forgotten is measured with other data of the same kind: how much worse a linear model on the tuned
backbone's features is there than one on those of the backbone as it was pretrained.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from kfine.adapters.file import NAME, read_adapter
from kfine.adapters.options import METHODS

KFINE = [sys.executable, "-m", "kfine"]
UNFREEZING = {"auto": ["--unfreeze", "auto"], "all": ["--unfreeze", "all"]}
HERE = Path(__file__).resolve().parent
Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("recipe", help="such as text_classification")
    parser.add_argument("data", help="a source that it reads, with test examples")
    parser.add_argument("--other", help="other data, whose test examples say what was forgotten")
    known = (*METHODS, *UNFREEZING)
    parser.add_argument("--methods", nargs="+", choices=known, default=list(known))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])


def run(arguments: argparse.Namespace) -> None:
    """Print a row of JSON for each run, then the table."""
    rows = []
    for seed in arguments.seeds:
        for method in arguments.methods:
            rows.append({"method": method, "seed": seed, **_run(arguments, method, seed)})
            print(json.dumps(rows[-1]), flush=True)
    columns = [name for name in rows[0] if name not in ("method", "seed")]
    print(f"| method | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for method in arguments.methods:
        own = [row for row in rows if row["method"] == method]
        cells = [_cell([row[name] for row in own]) for name in columns]
        print(f"| {method} | {' | '.join(cells)} |")


def _run(arguments: argparse.Namespace, method: str, seed: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        chosen = UNFREEZING.get(method) or ["--adapter", method]
        fit = [*KFINE, "fit", arguments.recipe, "--data", arguments.data, "--seed", str(seed)]
        fit += [*chosen, "--run-dir", str(path), "--quiet", *arguments.settings]
        process = subprocess.Popen(fit, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"failed: {' '.join(fit)}")
        metrics = _json([*KFINE, "evaluate", str(path), "--json"])
        file = path / NAME
        row = {
            metrics["primary"]: metrics[metrics["primary"]],
            "CPU seconds": usage.ru_utime + usage.ru_stime,
            "peak GB": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9,
            "weights": read_adapter(file).parameters if file.is_file() else None,
            "file MB": file.stat().st_size / 1e6 if file.is_file() else None,
        }
        if arguments.other:
            command = [sys.executable, str(HERE / "forgetting.py"), str(path), arguments.other]
            row |= _json(command)
        return row


def _json(command: list[str]) -> Row:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Row = json.loads(done.stdout)
    return found


def _cell(values: list[float | None]) -> str:
    known = [one for one in values if one is not None]
    if not known:
        return ""
    spread = f" ± {statistics.stdev(known):.3f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.3f}{spread}"
