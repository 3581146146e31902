"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfine.runs.files import read_json, whole_file, whole_folder, write_json
from kfine.training.proof import Digests


@dataclass
class Checkpoint:
    """State at the end of an epoch, apart from weights and optimizer.

    Attributes:
        epochs_done: Epochs completed since the start of the run.
        history: One entry per epoch.
        stage_digests: `group_digests` at the start of the present stage.
        best: `BestWeights.state()`.
    """

    epochs_done: int
    history: list[dict[str, Any]]
    stage_digests: Digests
    best: dict[str, Any]


class Checkpoints:
    """The checkpoint folder of a run: one complete checkpoint, replaced epoch by epoch.

    The random state of layers is not among it, since it is set anew from the seed and the epoch
    at the start of each epoch. The averaged weights (EMA) and the bias-correction offsets are
    variables of the optimizer and are saved with it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def latest(self) -> Path | None:
        """The newest complete checkpoint."""
        found = sorted(self.folder.glob("epoch-*/state.json"))
        return found[-1].parent if found else None

    def save(
        self, variables: Sequence[Any], state: Checkpoint, best_weights: list[np.ndarray]
    ) -> None:
        """Write a checkpoint whole, then remove the older ones.

        Args:
            variables: Every variable that training may change, those of the optimizer included.
            state: Everything else.
            best_weights: What `BestWeights` keeps.
        """
        previous = self.latest()
        target = self.folder / f"epoch-{state.epochs_done:05d}"
        with whole_folder(target) as folder:
            # Not HDF5: a write that fails on a full disk can take the process down with it.
            np.savez(folder / "state.npz", *[one.numpy() for one in variables])
            improved = state.best["epoch"] == state.epochs_done - 1
            if improved or previous is None or not _link(previous / "best.npz", folder):
                np.savez(folder / "best.npz", *best_weights)
            # Written last: a checkpoint without it does not count.
            write_json(folder / "state.json", asdict(state))
        for old in self.folder.glob("epoch-*"):
            if old != target:
                shutil.rmtree(old, ignore_errors=True)

    def save_start(self, variables: Sequence[Any]) -> None:
        """Write what the head begins with; the other layers begin as they are built."""
        with whole_file(self.folder / "start.npz") as temporary:
            np.savez(temporary, *[one.numpy() for one in variables])

    def load_start(self, variables: Sequence[Any]) -> bool:
        """Give the head what it began with, if that is there."""
        file = self.folder / "start.npz"
        if file.is_file():
            for variable, value in zip(variables, _read(file), strict=True):
                variable.assign(value)
        return file.is_file()

    def load_state(self) -> tuple[Checkpoint, list[np.ndarray]] | None:
        """Read the newest checkpoint's state and best weights."""
        folder = self.latest()
        if folder is None:
            return None
        return Checkpoint(**read_json(folder / "state.json")), _read(folder / "best.npz")

    def load_variables(self, variables: Sequence[Any]) -> None:
        """Give the variables, the same ones as in `save`, their saved values."""
        folder = self.latest()
        assert folder is not None
        for variable, value in zip(variables, _read(folder / "state.npz"), strict=True):
            variable.assign(value)


def _read(path: Path) -> list[np.ndarray]:
    with np.load(path) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(arrays.files))]


def _link(source: Path, folder: Path) -> bool:
    """Share an unchanged file with the previous checkpoint; file systems without links copy."""
    try:
        os.link(source, folder / source.name)
    except OSError:
        try:
            shutil.copy2(source, folder / source.name)
        except OSError:
            return False
    return True
