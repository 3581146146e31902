"""What `kfine doctor` finds of what was planted: copies of photos, and turned labels."""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.drawing import draw

COPIES, TURNED = 200, 0.05
WAYS = ("resize", "crop", "jpeg", "crop and jpeg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    parser.add_argument("data", type=Path, help="train and test with folders of photos, or .csv")
    parser.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> None:
    """Print recall and precision of planted copies and of turned labels."""
    seed, settings = arguments.seed, arguments.settings
    drawing = draw(arguments.data, 0, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if drawing.kind == "photos":
            _copies(drawing.train + drawing.test, folder, seed)
        _turned(drawing.kind, drawing.train, drawing.test, folder, settings, seed)


def _run(table: Path, output: Path, settings: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "kfine", "doctor", str(table), "--output", str(output)]
    subprocess.run([*command, "--quiet", *settings], check=True, capture_output=True)
    found: dict[str, Any] = json.loads((output / "doctor.json").read_text())
    return found


def _copies(rows: list[tuple[str, str]], folder: Path, seed: int) -> None:
    """Each resized, cut by up to 15 % at each side, or stored as JPEG of quality 10 to 60."""
    from PIL import Image

    generator = random.Random(seed)
    table = folder / "copies.csv"
    source: dict[str, str] = {path: path for path, _ in rows}
    way_of = {}
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows(rows)
        for number in range(COPIES):
            path, label = rows[generator.randrange(len(rows))]
            way = WAYS[number % len(WAYS)]
            copy = folder / f"copy-{number:04}.png"
            _changed(Image.open(path).convert("RGB"), way, generator).save(copy)
            writer.writerow([copy.name, label])
            source[copy.name], way_of[copy.name] = path, way
    found = _run(table, folder / "copies", [])
    pairs = {
        frozenset((one["name"], one["beside"][1]))
        for one in found["examples"]
        if one["beside"] is not None
    }
    hit = [name for name in way_of if frozenset((name, source[name])) in pairs]
    wrong = sum(len({source[name] for name in pair}) > 1 for pair in pairs)
    print(
        f"copies of {len(rows)} photos: recall {len(hit) / COPIES:.3f}, precision "
        f"{1 - wrong / max(1, len(pairs)):.3f}, found {dict(Counter(way_of[one] for one in hit))} "
        f"of {COPIES // len(WAYS)} each, {found['seconds']} s"
    )


def _changed(picture: Any, way: str, generator: random.Random) -> Any:
    from PIL import Image

    width, height = picture.size
    if way == "resize":
        scale = generator.uniform(0.3, 1.5)
        return picture.resize((round(width * scale), round(height * scale)))
    if "crop" in way:
        left, top, right, bottom = (generator.uniform(0, 0.15) for _ in range(4))
        box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
        picture = picture.crop([round(one) for one in box])
    if "jpeg" in way:
        kept = io.BytesIO()
        picture.save(kept, "JPEG", quality=generator.randint(10, 60))
        return Image.open(kept)
    return picture


def _turned(
    kind: str,
    train: list[tuple[str, str]],
    test: list[tuple[str, str]],
    folder: Path,
    settings: list[str],
    seed: int,
) -> None:
    generator = random.Random(seed)
    rows = [(*one, "train") for one in train] + [(*one, "test") for one in test]
    labels = sorted({label for _, label, _ in rows})
    turned = set(generator.sample(range(len(rows)), round(TURNED * len(rows))))
    table = folder / "turned.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text" if kind == "texts" else "path", "label", "split"])
        for number, (example, label, split) in enumerate(rows):
            if number in turned:
                label = generator.choice([one for one in labels if one != label])
            writer.writerow([example, label, split])
    recipe = "text_classification" if kind == "texts" else "image_classification"
    found = _run(table, folder / "turned", ["--recipe", recipe, *settings])
    names = {
        f"turned.csv:{number + 2}" if kind == "texts" else rows[number][0] for number in turned
    }
    doubts = [one for one in found["examples"] if one["kind"] == "label in doubt"]
    hit = np.array([one["name"] in names for one in doubts])
    average = float((np.cumsum(hit) / np.arange(1, len(hit) + 1) * hit).sum() / len(names))
    sure = [one["name"] in names for one in doubts if one["suggestion"] == "relabel"]
    print(
        f"{len(names)} of {len(rows)} labels turned: {len(doubts)} in doubt, recall "
        f"{hit.sum() / len(names):.3f}, precision {hit.mean():.3f}, average precision "
        f"{average:.3f} (of a random order {TURNED}); suggested to relabel: {len(sure)}, "
        f"{sum(sure)} of them turned; {found['seconds']} s"
    )
