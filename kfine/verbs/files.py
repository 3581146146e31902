"""Exported files as models: which path is one, and the run that it came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kfine.console import Console
from kfine.training.run import TrainedRun

if TYPE_CHECKING:
    from kfine.runtimes.exported import Exported

# An export lies in RUN/exports/, a bundle's file in RUN/exports/BUNDLE/.
_LEVELS = 3


def is_run(model: TrainedRun | str | Path) -> bool:
    """Whether this is a run or the folder of one."""
    return isinstance(model, TrainedRun) or (Path(model) / "run.json").is_file()


def warn_if_refused(path: Path, console: Console) -> None:
    """Say that a file did not pass the gate, which its name tells."""
    if ".refused" in path.name:
        console.warn(f"{path} was refused by the export gate: it is worse than its model.")


def load_file(path: Path) -> Exported:
    """An exported file; one with parts of a recipe's own by the recipe of the run around it."""
    from kfine.runtimes.loading import load_exported
    from kfine.training.parts import recipe_around

    return load_exported(path, own=recipe_around(path))


def run_around(path: Path) -> Path | None:
    """The run folder that an exported file lies in, if it lies in one; relative as the path is."""
    here = Path.cwd()
    for folder in path.absolute().parents[:_LEVELS]:
        if is_run(folder):
            near = not path.is_absolute() and folder.is_relative_to(here)
            return folder.relative_to(here) if near else folder
    return None
