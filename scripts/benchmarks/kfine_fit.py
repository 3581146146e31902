"""Worker: `kfine.fit`, with or without the feature cache, on the cache folder of KFINE_CACHE."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from worker import Clock, Settings, accuracy, peak_gigabytes, read_settings, report

from kfine.backend import load_backend
from kfine.console import Console, Counter

load_backend()
# What else a fit imports on its way.
import h5py  # noqa: E402, F401
import keras  # noqa: E402
import matplotlib.figure  # noqa: E402, F401
import numpy as np  # noqa: E402
import PIL.Image  # noqa: E402, F401

import kfine.training.engine  # noqa: E402
import kfine.training.plots  # noqa: E402, F401
from kfine.recipe import recipe_of_run  # noqa: E402
from kfine.training.data import load_data_of_run  # noqa: E402
from kfine.verbs.fit import fit  # noqa: E402


class Listener(Console):
    """Takes the times from what a fit says."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.clock = Clock()
        self.fits: list[float] = []
        self.first_epochs: list[float] = []
        self.blocks: list[float] = []

    def fit_begins(self) -> None:
        """Call when the Keras `fit` of a stage begins."""
        self.fits.append(time.perf_counter())

    def count(self, what: str) -> Counter:
        """A pass begins, or the reading of the data."""
        if what.startswith("computing"):
            self.blocks.append(time.perf_counter())
        return super().count(what)

    def progress(self, line: str, *, force: bool = False) -> None:
        """A block of a pass is done, or a step."""
        if line.startswith("computing"):
            self.blocks.append(time.perf_counter())

    def say(self, line: str = "") -> None:
        """An epoch is done, or the proof of a stage."""
        if re.match(r"epoch \d+/", line):
            stage = len(self.fits) - 1
            self.clock.epoch_ends(stage)
            if len(self.first_epochs) == stage:
                self.first_epochs.append(time.perf_counter() - self.fits[-1])
        elif "bit for bit" in line:
            # The last of these counts: then the trained weights are in memory.
            self.clock.stop()

    def pass_seconds(self) -> float:
        """Of the passes through the trunk."""
        return self.blocks[-1] - self.blocks[0] if self.blocks else 0.0

    def tracing_seconds(self) -> float:
        """What the first block of a pass and the first epoch of a stage took longer than others."""
        epochs = self.clock.epoch_seconds()
        seconds = sum(a - b for a, b in zip(self.first_epochs, epochs, strict=True))
        if self.blocks:
            first, *others = [b - a for a, b in pairwise(self.blocks)]
            seconds += first - statistics.median(others)
        return seconds


def fit_settings(settings: Settings) -> dict[str, Any]:
    """The same run in kfine's words."""
    unfreeze = f"{settings.unfreeze_from}:{settings.lowest_layer}"
    return {
        "data": settings.data,
        "preset": settings.preset,
        "image_size": settings.image_size,
        "seed": settings.seed,
        "epochs": settings.epochs,
        "unfreeze": unfreeze if settings.unfreeze_from else "none",
        "augmentation": settings.augmentation,
        "class_weights": "none",
        "early_stopping": 0,
        "feature_cache": settings.feature_cache,
    }


def main() -> None:
    """Run, and score the saved model."""
    settings = read_settings()
    plain_fit = keras.Model.fit
    with tempfile.TemporaryDirectory() as folder:
        listener = Listener()

        def timed_fit(model: keras.Model, *arguments: Any, **options: Any) -> Any:
            listener.fit_begins()
            return plain_fit(model, *arguments, **options)

        keras.Model.fit = timed_fit
        run = fit(
            "image_classification",
            run_dir=Path(folder) / "run",
            console=listener,
            **fit_settings(settings),
        )
        found = listener.clock.found
        found["seconds_with_files"] = time.perf_counter() - listener.clock.wall
        found["peak_gigabytes"] = peak_gigabytes()
        found["pass_seconds"] = listener.pass_seconds()
        found["tracing_seconds"] = listener.tracing_seconds()
        module, _ = recipe_of_run(run.folder)
        test = load_data_of_run(run.folder, module, run.config, listener).test
        report(
            found,
            validation_accuracy=run.folder.info()["validation"]["val_accuracy"],
            test_accuracy=accuracy(np.array(run.predictor.predict_split(test)), test.strata),
        )


if __name__ == "__main__":
    main()
