"""`scripts/benchmark caching`: what the feature cache saves, in interleaved runs.

Each run is a process of its own, with the same data, preset, stages, epochs and threads.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kfine import presets
from kfine.inputs.image.image import image_of_preset

from .worker import Settings

HERE = Path(__file__).resolve().parent
VARIANTS = {
    "cached": "(a) kfine",
    "again": "(a2) kfine on the cache of (a)",
    "uncached": "(b) kfine without the cache",
    "keras": "(c) plain Keras",
    "pytorch": "(d) plain PyTorch",
    "floor": "floor",
}
CASES = {"head": "head only", "blocks": "head, then {lowest} and above from epoch {first}"}
Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("data", help="a source that kfine reads, with test images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10, help="two or more in each stage")
    parser.add_argument("--preset", default="efficientnet_lite0", help="a local preset")
    parser.add_argument("--image-size", type=int, help="pixels; the preset's own if omitted")
    parser.add_argument("--lowest", default="block6b", help="the lowest block that trains")
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--variants", nargs="+", choices=tuple(VARIANTS), default=list(VARIANTS))
    parser.add_argument(
        "--augmentation",
        choices=("none", "light"),
        default="none",
        help="of the training images; with light there are no floor and no (d)",
    )
    parser.add_argument(
        "--pytorch-python", help="an interpreter with torch, h5py and pillow; default: this one"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print a row of JSON for each run, then the tables."""
    variants = list(arguments.variants)
    if arguments.augmentation != "none":
        variants = [one for one in variants if one not in ("floor", "pytorch")]
    python = arguments.pytorch_python or sys.executable
    base = _settings(arguments)
    if "pytorch" in variants and not (reason := _cannot_compare(python, base)):
        print("the features of (d) agree with those of Keras", flush=True)
    elif "pytorch" in variants:
        variants.remove("pytorch")
        print(f"(d) plain PyTorch is left out: {reason}", flush=True)
    rows: list[Row] = []
    for turn, seed in enumerate(arguments.seeds):
        for case in arguments.cases:
            first = base.epochs // 2 + 1 if case == "blocks" else 0
            settings = replace(base, seed=seed, unfreeze_from=first)
            with tempfile.TemporaryDirectory() as cache:
                for variant in _in_turn(variants, turn):
                    found = _run_one(variant, settings, python, Path(cache))
                    rows.append({"case": case, "variant": variant, "seed": seed, **found})
                    print(json.dumps(rows[-1]), flush=True)
    for case in arguments.cases:
        title = CASES[case].format(lowest=base.lowest_layer, first=base.epochs // 2 + 1)
        print(f"\n### {title}\n")
        mine = [row for row in rows if row["case"] == case]
        print("\n".join([*_table(mine), "", *_ratios(mine)]))


def _settings(arguments: argparse.Namespace) -> Settings:
    preset = presets.find_preset(arguments.preset)
    size = arguments.image_size or presets.local_image_size(preset) or 224
    image = image_of_preset(preset, size)
    return Settings(
        data=arguments.data,
        preset=str(preset.folder),
        image_size=size,
        scale=image.scale[0],
        offset=image.offset[0],
        seed=0,
        epochs=arguments.epochs,
        unfreeze_from=0,
        lowest_layer=arguments.lowest,
        threads=_cores(),
        augmentation=arguments.augmentation,
    )


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _in_turn(variants: list[str], turn: int) -> list[str]:
    """Another one first for each seed, (a2) always right after (a)."""
    alone = [one for one in variants if one != "again"]
    turned = alone[turn % len(alone) :] + alone[: turn % len(alone)]
    if "again" in variants:
        turned.insert(turned.index("cached") + 1, "again")
    return turned


def _cannot_compare(python: str, settings: Settings) -> str:
    """Why (d) cannot be measured; empty where its features are those of Keras."""
    if python == sys.executable and importlib.util.find_spec("torch") is None:
        return "this interpreter has no torch, and no other is named with --pytorch-python"
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(settings, reference=str(Path(folder) / "features.npz"))
        _work("plain_keras", settings, sys.executable)
        try:
            _work("plain_pytorch", settings, python)
        except _Failed as error:
            return str(error)
    return ""


def _run_one(variant: str, settings: Settings, python: str, cache: Path) -> Row:
    if variant in ("cached", "again"):
        return _work("kfine_fit", settings, sys.executable, KFINE_CACHE=str(cache))
    # The others keep nothing, so that each of them decodes all photos.
    alone = {"KFINE_CACHE": str(cache / "none"), "KFINE_CACHE_LIMIT": "0"}
    if variant == "keras":
        return _work("plain_keras", settings, sys.executable, **alone)
    if variant == "pytorch":
        return _work("plain_pytorch", settings, python, **alone)
    if variant == "floor":
        return _work("floor", settings, sys.executable, **alone)
    settings = replace(settings, feature_cache="none")
    return _work("kfine_fit", settings, sys.executable, **alone)


class _Failed(Exception):
    """The last line that a worker said."""


def _work(worker: str, settings: Settings, python: str, **environment: str) -> Row:
    """Run a worker and read its row."""
    threads = {
        name: str(settings.threads)
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    }
    done = subprocess.run(
        [python, str(HERE / f"{worker}.py"), json.dumps(asdict(settings))],
        capture_output=True,
        text=True,
        # Other interpreters have no kfine, of which the reading of data is needed.
        env={**os.environ, **threads, "PYTHONPATH": str(HERE.parents[1]), **environment},
    )
    if done.returncode:
        raise _Failed((done.stderr.strip() or f"{worker} failed").splitlines()[-1])
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def _table(rows: list[Row]) -> list[str]:
    """Medians over the seeds, and their ranges."""
    lines = [
        "| | wall (s) | later epochs (s) | CPU (s) | peak (GB) | validation | test |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant, name in VARIANTS.items():
        mine = [row for row in rows if row["variant"] == variant]
        if not mine or variant == "floor":
            continue
        stages = zip(*(row["epoch_seconds"] for row in mine), strict=True)
        cells = [
            _spread([row["seconds"] for row in mine], 1),
            ", ".join(_spread(list(stage), 2) for stage in stages),
            _spread([row["cpu_seconds"] for row in mine], 1),
            _spread([row["peak_gigabytes"] for row in mine], 2),
            _spread([row["validation_accuracy"] for row in mine], 3),
            _spread([row["test_accuracy"] for row in mine], 3),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _ratios(rows: list[Row]) -> list[str]:
    """The runs of one seed against each other."""
    of = {(row["variant"], row["seed"]): row for row in rows}
    seeds = sorted({row["seed"] for row in rows})

    def compare(words: str, one: str, other: str, what: Any, digits: int = 3) -> list[str]:
        pairs = [(of.get((one, seed)), of.get((other, seed))) for seed in seeds]
        values = [what(a, b) for a, b in pairs if a and b]
        return [f"| {words} | {_spread(values, digits)} |"] if values else []

    stages = range(max((len(row.get("epoch_seconds", [])) for row in rows), default=0))
    return [
        "| pairs of the same seed | median (range) |",
        "|---|---|",
        *compare("wall, (a) / (c)", "cached", "keras", _quotient("seconds")),
        *compare("CPU, (a) / (c)", "cached", "keras", _quotient("cpu_seconds")),
        *compare("wall, (a2) / (c)", "again", "keras", _quotient("seconds")),
        *compare("wall, (a) / (b)", "cached", "uncached", _quotient("seconds")),
        *compare("wall, (a) / (d)", "cached", "pytorch", _quotient("seconds")),
        *(
            line
            for stage in stages
            for line in compare(
                f"later epochs of stage {stage + 1}, (a) / (c)",
                "cached",
                "keras",
                lambda a, c, stage=stage: a["epoch_seconds"][stage] / c["epoch_seconds"][stage],
            )
        ),
        *compare(
            "wall without tracing, (a) / floor",
            "cached",
            "floor",
            lambda a, floor: (a["seconds"] - a["tracing_seconds"]) / floor["seconds"],
            2,
        ),
        *compare(
            "the same, with reading and building in the floor",
            "cached",
            "floor",
            lambda a, floor: (
                (a["seconds"] - a["tracing_seconds"]) / (floor["seconds"] + floor["setup_seconds"])
            ),
            2,
        ),
        *compare("seconds of the floor", "floor", "floor", lambda a, _: a["seconds"], 1),
        *compare(
            "seconds of reading and building", "floor", "floor", lambda a, _: a["setup_seconds"], 1
        ),
        *compare(
            "seconds of tracing in (a)", "cached", "cached", lambda a, _: a["tracing_seconds"], 1
        ),
        *compare(
            "seconds of the pass in (a)", "cached", "cached", lambda a, _: a["pass_seconds"], 1
        ),
        *compare(
            "seconds of the pass in (a2)", "again", "again", lambda a, _: a["pass_seconds"], 1
        ),
        *compare("test accuracy, (a) - (b)", "cached", "uncached", _difference("test_accuracy")),
        *compare("peak GB, (a) - (b)", "cached", "uncached", _difference("peak_gigabytes"), 2),
    ]


def _quotient(key: str) -> Any:
    return lambda one, other: one[key] / other[key]


def _difference(key: str) -> Any:
    return lambda one, other: one[key] - other[key]


def _spread(values: list[float], digits: int) -> str:
    """`median (lowest to highest)`."""
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"
