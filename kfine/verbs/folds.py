"""Cross-validation of a recipe: one run per fold, and a prediction for every example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfine.config import make_config
from kfine.console import Console
from kfine.data.labelled import Data
from kfine.errors import ConfigError
from kfine.recipe import Recipe, recipe_name, recipe_of_run, recipe_reference
from kfine.runs.folder import Folder, new_run, removed_on_failure
from kfine.runs.lock import locked
from kfine.training.data import load_data, load_unchanged, say_data
from kfine.training.folds import divide, fit_fold, mean_and_spread, numbers_of
from kfine.training.job import describe_beginning
from kfine.verbs.fit import prepare

SETTINGS = "folds.json"
OUT_OF_FOLD = "out_of_fold.json"


def cross_validate(
    recipe: str | Path | None = None,
    *,
    folds: int = 5,
    groups: str | None = None,
    config: str | Path | None = None,
    run_dir: str | Path | None = None,
    resume: str | Path | None = None,
    console: Console | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Fit a recipe once per fold and score each example by the fit that did not train on it.

    Training and validation examples are divided into folds; the test split is left alone. All
    folds share the feature cache, so the frozen layers run once per example.

    Args:
        recipe: Name of a recipe, or path of a recipe file.
        folds: How many.
        groups: Column of a manifest; examples that are equal in it are never divided.
        config: YAML file with settings; keyword arguments win over it.
        run_dir: Where to put the runs; `runs/RECIPE-folds-DATE-TIME` if omitted.
        resume: The folder of an interrupted cross-validation to continue instead.
        console: Hears of the progress; standard error if omitted.
        **settings: Fields of the recipe's `Config`.

    Returns:
        What `folds.json` holds: `folder`; `metrics`, name -> `mean`, `spread` (standard deviation
        over the folds) and `folds`; `out_of_fold`, the recipe's metrics of all examples together.

    Raises:
        KfineError: The settings, the data, the groups or the folder cannot be used.
    """
    console = console or Console()
    if resume is not None:
        if recipe or settings or config or run_dir or groups:
            raise ConfigError("resume takes no recipe and no settings: the folds have their own.")
        return _resume(FoldsFolder(Path(resume).resolve()), console)
    module, resolved = prepare(recipe, config, settings)
    folder = FoldsFolder(new_run(f"{recipe_name(module)}-folds", run_dir).path)
    kept = {"recipe": recipe_reference(module), "count": folds, "groups": groups}
    with locked(folder.path):
        with removed_on_failure(folder):
            data = load_data(module, resolved, console)
            say_data(data, console)
            divide(data, resolved, folds, groups)
            describe_beginning(folder, module, resolved, data)
            folder.write(SETTINGS, kept)
        return _run(folder, module, resolved, data, kept, console)


class FoldsFolder(Folder):
    """The folder of a cross-validation, with one run per fold below it."""

    def info(self) -> dict[str, Any]:
        """What `folds.json` says: recipe, number of folds, groups, and the metrics at the end."""
        info: dict[str, Any] = self.read(SETTINGS)
        return info


def _resume(folder: FoldsFolder, console: Console) -> dict[str, Any]:
    kept = folder.info()
    module, note = recipe_of_run(folder)
    if note:
        console.warn(note)
    config = make_config(module.Config, {}, folder.path / "config.yaml")
    with locked(folder.path):
        # Other data would be divided otherwise, and finished folds have trained on it.
        data = load_unchanged(
            folder,
            module,
            config,
            console,
            since="its folds were made",
            so="they cannot be continued; restore the data, or start anew",
        )
        return _run(folder, module, config, data, kept, console)


def _run(
    folder: FoldsFolder,
    module: Recipe,
    config: Any,
    data: Data,
    kept: dict[str, Any],
    console: Console,
) -> dict[str, Any]:
    from kfine.models.pretrained import pretrained_in_memory

    parts = divide(data, config, kept["count"], kept["groups"])
    rows: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    predictions: list[Any] = []
    labels: list[Any] = []
    with pretrained_in_memory():
        for number, part in enumerate(parts, start=1):
            console.say(f"fold {number} of {len(parts)}")
            run = fit_fold(folder.path / f"fold-{number}", module, config, part, console)
            held = part.validation
            assert held is not None  # every fold has one
            found, answer = run.predictor.predict_split(held), run.answer
            scores.append(answer.score(found, held.labels).to_dict(answer))
            predictions += found
            labels += held.labels
            rows += [
                {"name": name, **answer.row(one, label), "fold": number}
                for name, one, label in zip(held.names, found, held.labels, strict=True)
            ]
    whole = answer.score(predictions, labels).to_dict(answer)
    result = {
        **kept,
        "folder": str(folder.path),
        "metrics": mean_and_spread([numbers_of(one) for one in scores]),
        "out_of_fold": whole,
    }
    folder.write(OUT_OF_FOLD, sorted(rows, key=lambda row: str(row["name"])))
    folder.write(SETTINGS, result)
    primary = whole["primary"]
    figures = result["metrics"][primary]
    console.say(
        f"{primary} {figures['mean']:.3f} ± {figures['spread']:.3f} over {len(parts)} folds "
        f"({', '.join(f'{value:.3f}' for value in figures['folds'])})"
    )
    console.say(f"folds: {folder.path}")
    return result
