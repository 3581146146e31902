"""The run folder: everything that one execution leaves behind. Layout: docs/run-folder.md."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kfine.errors import RunError
from kfine.runs.files import read_json, write_json, write_text


@dataclass(frozen=True)
class Folder:
    """A folder with small files, that of a run or of a search.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def recipe_path(self) -> Path:
        """The source of the recipe, as it was at the beginning."""
        return self.path / "recipe.py"

    def read(self, name: str) -> Any:
        """Read one of the JSON files."""
        return read_json(self.path / name)

    def write(self, name: str, value: Any) -> None:
        """Write one of the JSON files, whole or not at all."""
        write_json(self.path / name, value)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, whole or not at all."""
        write_text(self.path / name, text)


@dataclass(frozen=True)
class RunFolder(Folder):
    """Paths and small files of one run."""

    @property
    def model_path(self) -> Path:
        """The finished Keras model."""
        return self.path / "model.keras"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are."""
        return self.path / "checkpoints"

    def info(self) -> dict[str, Any]:
        """What `run.json` says: recipe, status, times, decisions."""
        info: dict[str, Any] = self.read("run.json")
        return info

    def update(self, **values: Any) -> None:
        """Change entries of `run.json`."""
        known = self.info() if (self.path / "run.json").exists() else {}
        self.write("run.json", {**known, **values})

    def require_finished(self) -> None:
        """Refuse a run that has no model yet.

        Raises:
            RunError: It never finished; says how to finish it.
        """
        if not self.model_path.is_file():
            reason = self.info().get("model", "")
            if reason:
                raise RunError(f"The run {self.path} has no model.keras: it was {reason}.")
            raise RunError(
                f"The run {self.path} has not finished: it has no model.keras; "
                f"finish it with `kfine fit --resume {shlex.quote(str(self.path))}`."
            )


def now() -> str:
    """The present time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def open_run(path: str | Path) -> RunFolder:
    """Open an existing run folder.

    Raises:
        RunError: The path is missing or is no run folder.
    """
    folder = Path(path)
    if not (folder / "run.json").is_file():
        inside = sorted(one.parent.name for one in folder.glob("*/run.json"))
        if inside:
            raise RunError(
                f"{folder} holds {len(inside)} runs and is none itself: give one of them, such as "
                f"{folder / inside[-1]}."
            )
        what = "is no run folder: it has no run.json" if folder.exists() else "does not exist"
        raise RunError(f"{folder} {what}; `kfine runs` lists the runs there are.")
    return RunFolder(folder.resolve())


def new_run(recipe: str, run_dir: str | Path | None) -> RunFolder:
    """Make an empty run folder.

    Args:
        recipe: Name for the default folder, `runs/NAME-DATE-TIME`.
        run_dir: The folder to use instead.

    Raises:
        RunError: The folder holds something already, or cannot be made.
    """
    if run_dir is None:
        stem = Path("runs") / f"{recipe}-{time.strftime('%Y%m%d-%H%M%S')}"
        path = stem
        while path.exists():
            path = stem.with_name(f"{stem.name}-{os.urandom(2).hex()}")
    else:
        path = Path(run_dir)
        check_new(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RunError(
            f"Cannot write to the run folder {path}: {error.strerror}; choose another with "
            "--run-dir."
        ) from None
    return RunFolder(path.resolve())


@contextmanager
def removed_on_failure(folder: Folder) -> Iterator[None]:
    """Take a new folder away again when the run or search in it could not begin."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise


def check_new(path: Path) -> None:
    """Refuse a path for a new run that holds something already, before anything is started.

    Raises:
        RunError: It holds a run (says how to continue it) or other files, or is a file.
    """
    if path.is_file():
        raise RunError(f"The run folder {path} is a file; choose another with --run-dir.")
    if (path / "run.json").is_file():
        raise RunError(
            f"{path} holds a run already; continue it with `kfine fit --resume "
            f"{shlex.quote(str(path))}`, or choose another --run-dir."
        )
    if path.is_dir() and any(entry.name != ".lock" for entry in path.iterdir()):
        raise RunError(f"{path} is not empty; choose another --run-dir.")


def list_runs(root: Path) -> list[RunFolder]:
    """All runs directly below a folder, oldest first."""
    found = [RunFolder(file.parent.resolve()) for file in root.glob("*/run.json")]
    return sorted(found, key=lambda one: str(one.info().get("started", "")))
