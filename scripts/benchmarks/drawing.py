"""A few examples a class, drawn from a training split, and the whole test split."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from pathlib import Path

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Drawing:
    """Examples as `(path of a photo or text, label)`."""

    kind: str
    train: Rows
    test: Rows

    def write(self, folder: Path) -> Path:
        """The same as kfine reads it: folders of links to photos, or a table."""
        splits = {"train": self.train, "test": self.test}
        if self.kind == "texts":
            table = folder / "texts.csv"
            with table.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["text", "label", "split"])
                for split, rows in splits.items():
                    writer.writerows([text, label, split] for text, label in rows)
            return table
        for split, rows in splits.items():
            for photo, label in rows:
                link = folder / "photos" / split / label / Path(photo).name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(photo)
        return folder / "photos"


def draw(data: Path, size: int, seed: int) -> Drawing:
    """Draw `size` training examples a class, or all if 0.

    Args:
        data: A folder of `train` and `test`, with a folder of photos per class in each, or of
            `train.csv` and `test.csv` with the columns `text` and `label`.
        size: Examples of each class.
        seed: Another one draws others.
    """
    kind = "texts" if (data / "train.csv").is_file() else "photos"
    read = _texts if kind == "texts" else _photos
    rows, test = read(data, "train"), read(data, "test")
    generator = random.Random(seed)
    generator.shuffle(rows)
    taken: dict[str, int] = {}
    train = []
    for item, label in rows:
        taken[label] = taken.get(label, 0) + 1
        if not size or taken[label] <= size:
            train.append((item, label))
    return Drawing(kind, train, test)


def _photos(data: Path, split: str) -> Rows:
    folders = sorted(one for one in (data / split).iterdir() if one.is_dir())
    return [
        (str(photo.resolve()), folder.name)
        for folder in folders
        for photo in sorted(folder.iterdir())
    ]


def _texts(data: Path, split: str) -> Rows:
    with (data / f"{split}.csv").open(newline="", encoding="utf-8") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]
