"""What the workers of `scripts/benchmark peers` have in common: their order, and their answer."""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """What a peer is to do.

    Attributes:
        train: `(path of a photo or text, label)`.
        test: The same; who trains has no use for the labels.
        preset: Folder of the KerasHub preset.
        encoder: Folder of the same text encoder for `transformers`; empty for photos.
        image_size: Height and width in pixels.
        scale: Of pixels from 0 to 255, before `offset` is added.
        epochs: Where the documentation of a peer leaves them to its user.
        seed: Of whatever is random.
    """

    train: list[tuple[str, str]]
    test: list[tuple[str, str]]
    preset: str
    encoder: str
    image_size: int
    scale: float
    offset: float
    epochs: int
    seed: int

    @property
    def classes(self) -> list[str]:
        """All labels in order."""
        return sorted({label for _, label in self.train})

    def numbers(self) -> list[int]:
        """The number of each training example's class."""
        classes = self.classes
        return [classes.index(label) for _, label in self.train]


def read_order() -> Order:
    """The order in the file that the command line names."""
    with open(sys.argv[1], encoding="utf-8") as file:
        return Order(**json.load(file))


def cpu_seconds() -> float:
    """Of this process since its start, imports included, and of its children that ended."""
    used = [resource.getrusage(one) for one in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def answer(seconds: float, predictions: list[str]) -> None:
    """Print what a training cost, and a label for each test example."""
    print(json.dumps({"cpu_seconds": seconds, "predictions": predictions}), flush=True)
