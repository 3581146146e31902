"""Cross-validation of a recipe: one run per fold, and a prediction for every example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kfine.config import make_config
from kfine.console import Console
from kfine.errors import ConfigError, RunError
from kfine.runs.folder import Folder, RunFolder, new_run, removed_on_failure
from kfine.runs.lock import locked
from kfine.verbs.data import load_data, load_unchanged, say_data
from kfine.verbs.fit import build_job, describe_beginning, describe_run, prepare, train
from kfine.verbs.recipes import recipe_name, recipe_of_run, recipe_reference
from kfine.verbs.run import Run

SETTINGS = "folds.json"


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
        with removed_on_failure(RunFolder(folder.path)):
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


def divide(data: Any, config: Any, count: int, groups: str | None) -> list[Any]:
    """The data sets of the folds of a config.

    Raises:
        KfineError: There are not enough examples or groups, or no such column.
    """
    from kfine.data.folds import fold_data, read_groups

    texts = data.train.records[0].text is not None
    known = read_groups(config.data, groups, texts=texts) if groups else None
    return fold_data(data, count, config.seed, known)


def _run(
    folder: FoldsFolder, module: Any, config: Any, data: Any, kept: dict[str, Any], console: Console
) -> dict[str, Any]:
    from kfine.models.pretrained import pretrained_in_memory

    parts = divide(data, config, kept["count"], kept["groups"])
    rows, scores, everything = [], [], []
    with pretrained_in_memory():
        for number, part in enumerate(parts, start=1):
            console.say(f"fold {number} of {len(parts)}")
            run = fit_fold(folder.path / f"fold-{number}", module, config, part, console)
            predictions = validation_predictions(run, part)
            everything.append(predictions)
            scores.append(_scores(module, predictions, part.validation, data))
            rows += _predictions(module, part.validation, predictions, data.class_names, number)
    joined = parts[0].validation
    for part in parts[1:]:
        joined = joined.joined(part.validation)
    whole = module.evaluate(np.concatenate(everything), _as_test(data, joined))
    result = {
        **kept,
        "folder": str(folder.path),
        "metrics": mean_and_spread([_numbers(one) for one in scores]),
        "out_of_fold": whole,
    }
    folder.write("out_of_fold.json", sorted(rows, key=lambda row: row["name"]))
    folder.write(SETTINGS, result)
    primary = whole["primary"]
    found = result["metrics"][primary]
    console.say(
        f"{primary} {found['mean']:.3f} ± {found['spread']:.3f} over {len(parts)} folds "
        f"({', '.join(f'{value:.3f}' for value in found['folds'])})"
    )
    console.say(f"folds: {folder.path}")
    return result


def fit_fold(path: Path, module: Any, config: Any, data: Any, console: Console) -> Run:
    """The run of a fold: found finished, continued, or begun."""
    run = RunFolder(path)
    if run.model_path.is_file() and run.info()["status"] == "finished":
        return Run(run)
    from kfine.backend import load_backend

    load_backend()
    from kfine.tuning.sharing import memory_given_back

    path.mkdir(parents=True, exist_ok=True)
    with locked(path), memory_given_back():
        if (path / "run.json").is_file():
            before = run.read("data.json")["fingerprint"]
            if before != data.fingerprint:
                raise RunError(f"The data of {path} changed since its run began; start anew.")
        else:
            describe_run(run, module, config, data)
        return train(run, build_job(module, config, data, console), console, plots=False)


def validation_predictions(run: Run, data: Any) -> Any:
    """Predictions for the validation split of a fold; see `predict_split`."""
    from kfine.verbs.predictions import predict_split

    return predict_split(run, run.model, data.validation)


def _as_test(data: Any, split: Any) -> Any:
    """Data whose test split is what a recipe's `evaluate` is to score."""
    return replace(data, splits={**data.splits, "test": split})


def _scores(module: Any, predictions: Any, split: Any, data: Any) -> dict[str, Any]:
    found: dict[str, Any] = module.evaluate(predictions, _as_test(data, split))
    return found


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and name != "count"
    }


def mean_and_spread(folds: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Mean and standard deviation of each number over the folds, and the numbers."""
    found = {}
    for name in folds[0]:
        values = [fold[name] for fold in folds]
        found[name] = {
            "mean": float(np.mean(values)),
            "spread": float(np.std(values, ddof=1)),
            "folds": values,
        }
    return found


def _predictions(
    module: Any, split: Any, predictions: Any, names: Sequence[str], fold: int
) -> list[dict[str, Any]]:
    if hasattr(module, "interpret"):
        return [
            {"name": name, "answers": module.describe(one, names), "fold": fold}
            for name, one in zip(split.names, predictions, strict=True)
        ]
    return [
        {
            "name": name,
            "label": names[label],
            "prediction": names[int(row.argmax())],
            "fold": fold,
            "probabilities": [round(float(one), 6) for one in row],
        }
        for name, label, row in zip(split.names, split.labels, predictions, strict=True)
    ]
