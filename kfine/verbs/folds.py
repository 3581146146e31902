"""Cross-validation of a recipe: one run per fold, and a prediction for every example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.data.labelled import Data
from kfine.errors import ConfigError
from kfine.training.folds import divide, fit_part, mean_and_spread, numbers_of
from kfine.verbs.several import Several, beginning, going_on

KIND = "folds"
SETTINGS = f"{KIND}.json"
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
        with going_on(KIND, resume, console) as several:
            return _run(several, console)

    def check(data: Data, resolved: Any) -> object:
        return divide(data, resolved, folds, groups)

    kept = {"count": folds, "groups": groups}
    with beginning(KIND, recipe, config, run_dir, settings, kept, check, console) as several:
        return _run(several, console)


def _run(several: Several, console: Console) -> dict[str, Any]:
    from kfine.models.pretrained import pretrained_in_memory

    folder, module, config, kept = several.folder, several.module, several.config, several.kept
    parts = divide(several.data, config, kept["count"], kept["groups"])
    rows: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    predictions: list[Any] = []
    labels: list[Any] = []
    with pretrained_in_memory():
        for number, part in enumerate(parts, start=1):
            console.say(f"fold {number} of {len(parts)}")
            run = fit_part(folder.path / f"fold-{number}", module, config, part, console)
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
