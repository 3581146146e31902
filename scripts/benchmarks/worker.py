"""What the runs that are compared have in common: settings, data, and the clock.

Imports neither TensorFlow nor PyTorch, so that both kinds of worker can use it.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kfine.data.labelled import Data
from kfine.inputs.image import load_images

BATCH_SIZE = 32
LEARNING_RATE = 0.01
# What kfine gives the backbone group nearest the head.
LOWER_LEARNING_RATE = 0.0003
LABEL_SMOOTHING = 0.1
DROPOUT = 0.2


@dataclass(frozen=True)
class Settings:
    """One run.

    Attributes:
        data: A source that kfine reads, with test images.
        preset: Folder of a KerasHub preset.
        image_size: Height and width in pixels.
        scale: Of pixels, before `offset` is added.
        seed: Of the splits, the head, the order and the dropout.
        epochs: Of all stages together.
        unfreeze_from: First epoch, counted from 1, that trains a part of the backbone; 0: none.
        lowest_layer: The lowest layer or block of that part.
        threads: Of the machine.
        augmentation: Of the training images, as kfine has it.
        feature_cache: As kfine has it.
        reference: A file with images and what the Keras backbone gives for them.
    """

    data: str
    preset: str
    image_size: int
    scale: float
    offset: float
    seed: int
    epochs: int
    unfreeze_from: int
    lowest_layer: str
    threads: int
    augmentation: str = "none"
    feature_cache: str = "auto"
    reference: str = ""

    def stage_epochs(self) -> list[int]:
        """Epochs with the head alone, and with a part of the backbone if there is such a stage."""
        if not self.unfreeze_from:
            return [self.epochs]
        return [self.unfreeze_from - 1, self.epochs - self.unfreeze_from + 1]


def read_settings() -> Settings:
    """The settings on the command line."""
    return Settings(**json.loads(sys.argv[1]))


def read_data(settings: Settings) -> Data:
    """Decode all images into memory, in the splits of a kfine run with the same seed."""
    return load_images(
        settings.data,
        image_size=(settings.image_size, settings.image_size),
        validation_split=0.15,
        test_split=0.15,
        seed=settings.seed,
        memory_budget=10**12,
        folder=Path(tempfile.gettempdir()),
    )


def arrays(split: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images `(examples, height, width, 3)` uint8, and the number of each one's class."""
    return split.inputs[range(len(split))], split.strata


@dataclass
class Clock:
    """Wall time, CPU time and memory from its making until `stop`."""

    wall: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)
    ends: list[tuple[int, float]] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)

    def epoch_ends(self, stage: int) -> None:
        """Call at the end of an epoch, validation included."""
        self.ends.append((stage, time.perf_counter()))

    def stop(self) -> None:
        """Call when the trained weights are in memory."""
        self.found = {
            "seconds": time.perf_counter() - self.wall,
            "cpu_seconds": time.process_time() - self.cpu,
            "peak_gigabytes": peak_gigabytes(),
            "epoch_seconds": self.epoch_seconds(),
        }

    def epoch_seconds(self) -> list[float]:
        """Of each stage: the median of all epochs but the first, which traces."""
        found = []
        for stage in sorted({stage for stage, _ in self.ends}):
            ends = [end for other, end in self.ends if other == stage]
            lengths = [after - before for before, after in pairwise(ends)]
            if lengths:
                found.append(statistics.median(lengths))
        return found


def peak_gigabytes() -> float:
    """The largest resident size of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def report(found: dict[str, Any], **accuracies: float) -> None:
    """Print the row of this run, the last line of the output."""
    print(json.dumps({**found, **accuracies}))


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Share of the examples whose largest score is their label's."""
    return float((np.asarray(scores).argmax(-1) == labels).mean())
