"""The learning curve of a recipe: one run for each fraction of the training examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.data.fractions import check_fractions, fraction_data
from kfine.data.labelled import Data
from kfine.errors import ConfigError, DataError
from kfine.training.folds import fit_part
from kfine.verbs.several import Several, beginning, going_on

KIND = "fractions"
SETTINGS = f"{KIND}.json"
_PLOT = "learning_curve.png"


def learning_curve(
    recipe: str | Path | None = None,
    *,
    fractions: Sequence[float] = (0.25, 0.5, 1.0),
    config: str | Path | None = None,
    run_dir: str | Path | None = None,
    resume: str | Path | None = None,
    console: Console | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Fit a recipe on parts of its training examples, and say whether more would help.

    Each part holds the smaller ones; all are scored on the test split, on validation where there is
    none. They share the feature cache, so the frozen layers run once per example.

    Args:
        recipe: Name of a recipe, or path of a recipe file.
        fractions: Of the training examples, above 0 and at most 1, in rising order.
        config: YAML file with settings; keyword arguments win over it.
        run_dir: Where to put the runs; `runs/RECIPE-fractions-DATE-TIME` if omitted.
        resume: The folder of an interrupted learning curve to continue instead.
        console: Hears of the progress; standard error if omitted.
        **settings: Fields of the recipe's `Config`.

    Returns:
        What `fractions.json` holds: `folder`, `primary`, `scored_on`, and what
        `kfine.evaluation.learning_curve` finds: `points`, `last_step`, `expected` and `words`.

    Raises:
        KfineError: The settings, the data, the fractions or the folder cannot be used.
    """
    console = console or Console()
    if resume is not None:
        if recipe or settings or config or run_dir:
            raise ConfigError(
                "resume takes no recipe and no settings: the fractions have their own."
            )
        with going_on(KIND, resume, console) as several:
            return _run(several, console)

    check_fractions(fractions)

    def check(data: Data, resolved: Any) -> None:
        fraction_data(data, fractions, resolved.seed)
        if data.test is None and data.validation is None:
            raise DataError("Nothing is held out to score on: give a test or validation split.")

    kept = {"fractions": list(fractions)}
    with beginning(KIND, recipe, config, run_dir, settings, kept, check, console) as several:
        return _run(several, console)


def _run(several: Several, console: Console) -> dict[str, Any]:
    from kfine.evaluation import learning_curve as curve_of
    from kfine.evaluation.curve_plot import learning_curve_png
    from kfine.models.pretrained import pretrained_in_memory

    folder, kept = several.folder, several.kept
    parts = fraction_data(several.data, kept["fractions"], several.config.seed)
    held = several.data.test or several.data.validation
    assert held is not None  # checked at the beginning
    scores = []
    with pretrained_in_memory():
        for fraction, part in zip(kept["fractions"], parts, strict=True):
            console.say(f"fraction {fraction:g}: {len(part.train)} training examples")
            path = folder.path / f"fraction-{fraction:g}"
            run = fit_part(path, several.module, several.config, part, console)
            answer = run.answer
            scores.append(answer.score(run.predictor.predict_split(held), held.labels))
    counts = [len(part.train) for part in parts]
    result = {
        **kept,
        "folder": str(folder.path),
        "primary": answer.primary,
        "scored_on": {"split": held.name, "count": len(held)},
        **curve_of(answer, counts, scores),
    }
    folder.write(SETTINGS, result)
    learning_curve_png(folder.path / _PLOT, result)
    console.say(f"fractions: {folder.path}")
    return result
