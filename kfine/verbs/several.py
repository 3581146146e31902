"""Several runs of one recipe in one folder, such as those of folds: begun, and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfine.config import make_config
from kfine.console import Console
from kfine.data.labelled import Data
from kfine.recipe import Recipe, recipe_name, recipe_of_run, recipe_reference
from kfine.runs.folder import Folder, new_run, removed_on_failure
from kfine.runs.lock import locked
from kfine.training.data import load_data, load_unchanged, say_data
from kfine.training.job import describe_beginning
from kfine.verbs.fit import prepare


@dataclass(frozen=True)
class RunsFolder(Folder):
    """A folder with a run in each folder below it.

    Attributes:
        kind: Of the runs: "folds" has `folds.json`.
    """

    kind: str

    @property
    def file(self) -> str:
        """Name of the file that says what it is."""
        return f"{self.kind}.json"

    def info(self) -> dict[str, Any]:
        """What that says: the recipe, how the data is parted, and figures at the end."""
        info: dict[str, Any] = self.read(self.file)
        return info


@dataclass(frozen=True)
class Several:
    """What the runs of one folder have in common.

    Attributes:
        folder: Of the runs.
        module: The recipe.
        config: Its settings.
        data: The data that is parted.
        kept: What the file of the folder says.
    """

    folder: RunsFolder
    module: Recipe
    config: Any
    data: Data
    kept: dict[str, Any]


@contextmanager
def beginning(
    kind: str,
    recipe: str | Path | None,
    config: str | Path | None,
    run_dir: str | Path | None,
    settings: dict[str, Any],
    kept: Mapping[str, Any],
    check: Callable[[Data, Any], object],
    console: Console,
) -> Iterator[Several]:
    """Read the data and hold a new folder, which goes again where that fails.

    Args:
        kind: Of the folder.
        recipe: As for `fit`.
        config: As for `fit`.
        run_dir: As for `fit`.
        settings: As for `fit`.
        kept: What `KIND.json` says at the beginning, beside the recipe.
        check: Refuses data and settings that cannot be parted so.
        console: Hears of the progress.
    """
    module, resolved = prepare(recipe, config, settings)
    folder = RunsFolder(new_run(f"{recipe_name(module)}-{kind}", run_dir).path, kind)
    known = {"recipe": recipe_reference(module), **kept}
    with locked(folder.path):
        with removed_on_failure(folder):
            data = load_data(module, resolved, console)
            say_data(data, console)
            check(data, resolved)
            describe_beginning(folder, module, resolved, data)
            folder.write(folder.file, known)
        yield Several(folder, module, resolved, data, known)


@contextmanager
def going_on(kind: str, path: str | Path, console: Console) -> Iterator[Several]:
    """Hold a folder that was begun, with the data as it was.

    Raises:
        RunError: The data is not what it was.
    """
    folder = RunsFolder(Path(path).resolve(), kind)
    kept = folder.info()
    module, note = recipe_of_run(folder)
    if note:
        console.warn(note)
    config = make_config(module.Config, {}, folder.path / "config.yaml")
    with locked(folder.path):
        # Other data would be parted otherwise, and finished runs have trained on it.
        data = load_unchanged(
            folder,
            module,
            config,
            console,
            since=f"its {kind} were made",
            so="they cannot be continued; restore the data, or start anew",
        )
        yield Several(folder, module, config, data, kept)
