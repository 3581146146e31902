"""`scripts/benchmark peers`: kfine and what people would take instead, on the same examples.

Every peer gets the same weights, the same training examples and the same test split, and its own
documented defaults, in a process of its own; those of one drawing run after each other, another one
first each time. Of the training examples each holds out what it holds out by default.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kfine import presets
from kfine.inputs.image.image import image_of_preset

from .drawing import Drawing, draw
from .encoder import write_encoder
from .peer import Order

HERE = Path(__file__).resolve().parent
TORCH = ("torch>=2.6,<3", "numpy", "pillow", "scikit-learn")
TRANSFORMERS = (*TORCH, "transformers>=4.45", "accelerate", "datasets")
# What each needs besides this environment; none: it runs here.
NEEDS: dict[str, tuple[str, ...]] = {
    "kfine": (),
    "regression": (),
    "fastai": (*TORCH, "torchvision", "fastai>=2.8", "h5py", "click"),
    "setfit": (*TRANSFORMERS, "setfit>=1.1", "sentence-transformers"),
    "trainer": TRANSFORMERS,
}
NAMES = {
    "kfine": "kfine",
    "regression": "logistic regression",
    "fastai": "fastai",
    "setfit": "SetFit",
    "trainer": "transformers' Trainer",
}
OF_KIND = {
    "photos": ("kfine", "regression", "fastai"),
    "texts": ("kfine", "regression", "setfit", "trainer"),
}
PRESETS = {"photos": "efficientnet_lite0", "texts": "minilm_l6_en_uncased"}
RECIPES = {"photos": "image_classification", "texts": "text_classification"}
# Epochs of a peer whose documentation leaves them to its user; as many as kfine trains.
EPOCHS = 12
Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument(
        "data", type=Path, help="a folder of train and test: photos in class folders, or .csv"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[8], help="a class; 0 for all")
    parser.add_argument("--drawings", type=int, nargs="+", default=[0, 1, 2], help="their seeds")
    parser.add_argument("--peers", nargs="+", choices=tuple(NEEDS), help="all of the kind")
    parser.add_argument("--preset", help="a local preset; that of the kind if omitted")
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path.home() / ".cache" / "kfine-peers",
        help="where the peers are installed, each in an environment of its own",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print a row of JSON for each training, then the table."""
    kind = draw(arguments.data, 1, 0).kind
    peers = [one for one in arguments.peers or OF_KIND[kind] if one in OF_KIND[kind]]
    preset = presets.find_preset(arguments.preset or PRESETS[kind])
    if preset.folder is None:
        raise SystemExit(f"{preset.handle} is not on this machine")
    pythons = {peer: _python(peer, arguments.environments) for peer in peers}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        encoder = ""
        if kind == "texts":
            encoder = str(Path(folder) / "encoder")
            Path(encoder).mkdir()
            write_encoder(preset.folder, Path(encoder))
        for size in arguments.sizes:
            for turn, seed in enumerate(arguments.drawings):
                drawing = draw(arguments.data, size, seed)
                for peer in peers[turn % len(peers) :] + peers[: turn % len(peers)]:
                    order = _order(drawing, preset, encoder, seed)
                    with tempfile.TemporaryDirectory() as own:
                        work = _kfine if peer == "kfine" else _peer
                        found = work(peer, pythons[peer], drawing, order, Path(own))
                    rows.append({"size": size, "drawing": seed, "peer": peer, **found})
                    print(json.dumps(rows[-1]), flush=True)
    print("\n".join(["", *_table(rows, peers, arguments.sizes)]))


def _python(peer: str, environments: Path) -> str:
    """The interpreter of a peer, in an environment that is made if need be."""
    if not NEEDS[peer]:
        return sys.executable
    folder = environments / peer
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join(NEEDS[peer])
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing {NAMES[peer]} into {folder}", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *NEEDS[peer]], check=True)
        stamp.write_text(wanted)
    return str(python)


def _order(drawing: Drawing, preset: Any, encoder: str, seed: int) -> Order:
    size, scale, offset = 0, 1.0, 0.0
    if drawing.kind == "photos":
        size = presets.local_image_size(preset) or 224
        image = image_of_preset(preset, size)
        scale, offset = image.scale[0], image.offset[0]
    rows = (drawing.train, drawing.test)
    return Order(*rows, str(preset.folder), encoder, size, scale, offset, EPOCHS, seed)


def _peer(peer: str, python: str, drawing: Drawing, order: Order, folder: Path) -> Row:
    """Run a worker and score its labels."""
    (folder / "order.json").write_text(json.dumps(asdict(order)))
    done = subprocess.run(
        [python, str(HERE / f"peer_{peer}.py"), str(folder / "order.json")],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        raise SystemExit(f"{NAMES[peer]} failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "cpu_seconds": found["cpu_seconds"],
        **_scores([label for _, label in drawing.test], found["predictions"]),
    }


def _scores(truth: list[str], found: list[str]) -> Row:
    from sklearn.metrics import accuracy_score, f1_score

    return {
        "accuracy": float(accuracy_score(truth, found)),
        "macro_f1": float(f1_score(truth, found, average="macro", zero_division=0)),
    }


def _kfine(peer: str, python: str, drawing: Drawing, order: Order, folder: Path) -> Row:
    """`kfine fit` with an empty cache, and `kfine evaluate`."""
    kfine = [python, "-m", "kfine"]
    settings = ["--data", str(drawing.write(folder)), "--preset", order.preset]
    settings += ["--seed", str(order.seed), "--run-dir", str(folder / "run")]
    environment = {**os.environ, "KFINE_CACHE": str(folder / "cache")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*kfine, "fit", RECIPES[drawing.kind], *settings],
        capture_output=True,
        text=True,
        env=environment,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{peer} failed:\n{done.stderr[-2000:]}")
    evaluate = [*kfine, "evaluate", str(folder / "run"), "--json"]
    metrics = json.loads(
        subprocess.run(evaluate, check=True, capture_output=True, text=True, env=environment).stdout
    )
    probe = metrics["baselines"].get("linear_probe", {})
    return {
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "accuracy": metrics["accuracy"],
        "macro_f1": metrics["macro_f1"],
        "probe_accuracy": probe.get("accuracy"),
    }


def _table(rows: list[Row], peers: list[str], sizes: list[int]) -> list[str]:
    """Means over the drawings, and what each of them gave."""
    lines = [
        "| a class | | accuracy | macro F1 | of each drawing | CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for size in sizes:
        for peer in peers:
            mine = [row for row in rows if (row["size"], row["peer"]) == (size, peer)]
            means = [
                statistics.mean(row[name] for row in mine) for name in ("accuracy", "macro_f1")
            ]
            cells = [f"{mean:.3f}" for mean in means]
            cells.append(", ".join(f"{row['macro_f1']:.3f}" for row in mine))
            cells.append(f"{statistics.mean(row['cpu_seconds'] for row in mine):.0f}")
            lines.append(f"| {size or 'all'} | {NAMES[peer]} | {' | '.join(cells)} |")
    return lines
