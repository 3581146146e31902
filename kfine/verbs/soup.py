"""`soup`: one run whose weights are the mean of several runs' weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kfine.console import Console
from kfine.data.split import Split
from kfine.errors import ConfigError, DataError
from kfine.runs.folder import RunFolder
from kfine.training.run import TrainedRun, as_run
from kfine.tuning.records import SETTINGS, open_search
from kfine.verbs.of_runs import as_list, begun_like, check_alike, write_run_of
from kfine.verbs.run import Run


def soup(
    runs: Sequence[TrainedRun | str | Path],
    *,
    run_dir: str | Path | None = None,
    console: Console | None = None,
) -> Run:
    """Make a run of several: its weights are the mean of those that are better together.

    The best run on the validation split comes first, then each further one with which the mean
    scores no worse there ("Model soups", Wortsman et al., 2022, https://arxiv.org/abs/2203.05482).
    What results is a run as any other, as fast as one of them.

    Args:
        runs: Finished runs of one recipe, preset and data in the same splits, such as the trials
            of a search, or its folder; of different seeds or settings otherwise.
        run_dir: Where to put the new run; `runs/RECIPE-soup-DATE-TIME` if omitted.
        console: Hears of the progress; standard error if omitted.

    Returns:
        The new run. `run.json` has under `soup` each run with its score and whether it was kept.

    Raises:
        KfineError: The runs do not go together, have not finished, or their data has gone.

    Example:

    ```python
    run = kfine.soup(["runs/flowers-1", "runs/flowers-2", "runs/flowers-3"])
    print(run.metrics["accuracy"])
    ```
    """
    console = console or Console()
    found = [as_run(one) for path in as_list(runs) for one in _expanded(path)]
    _check(found)
    with begun_like(found[0], "soup", run_dir, console) as (folder, _, data):
        if data.validation is None:
            raise DataError(f"The data of {found[0].path} has no validation split to choose by.")
        return _mix(found, data.validation, folder, console)


def _expanded(run: TrainedRun | str | Path) -> list[TrainedRun | str | Path]:
    """A run, or those of a search that have a model."""
    if isinstance(run, TrainedRun) or not (Path(run) / SETTINGS).is_file():
        return [run]
    search = open_search(run)
    return [
        path
        for record in search.records()
        for path in search.runs(record.trial)
        if RunFolder(path).model_path.is_file()
    ]


def _check(runs: Sequence[TrainedRun]) -> None:
    """Refuse runs whose weights have no mean, or none that could be chosen."""
    if len(runs) < 2:
        raise ConfigError(f"A soup is made of two finished runs or more. Received: {len(runs)}")
    check_alike(runs, "A soup", splits=True)
    for run in runs:
        if run.refit:
            raise ConfigError(
                f"The run {run.path} trained on its validation examples too, which choose what a "
                "soup is made of; fit it with --refit no."
            )


def _mix(runs: Sequence[TrainedRun], validation: Split, folder: RunFolder, console: Console) -> Run:
    with console.timed("loading TensorFlow and the first model"):
        model = runs[0].model
    from kfine.evaluation.soup import Weights, greedy_soup
    from kfine.runtimes.keras_model import KerasPredictor

    answer = runs[0].answer
    metric = answer.primary
    predictor = KerasPredictor(model, runs[0].input, answer, runs[0].config.batch_size)

    def weights(number: int) -> Weights:
        # A run of its own, so that one model at a time is held.
        own: Weights = TrainedRun(runs[number].folder).model.get_weights()
        if [one.shape for one in own] != [tuple(one.shape) for one in model.weights]:
            raise ConfigError(
                f"The models of {runs[0].path} and {runs[number].path} differ in their weights, "
                "so these have no mean."
            )
        return own

    def score(mean: Sequence[np.ndarray]) -> float:
        model.set_weights(mean)
        found = predictor.predict_split(validation)
        return float(answer.score(found, validation.labels).metrics[metric])

    alone = []
    for number, run in enumerate(runs):
        alone.append(score(weights(number)))
        console.say(f"{run.path}: {metric} {alone[-1]:.3f} on validation")
    made = greedy_soup(alone, weights, score, answer.direction)
    model.set_weights(made.weights)
    kept = [runs[number] for number in made.kept]
    console.say(
        f"the mean of {len(kept)} of {len(runs)}: {metric} {made.score:.3f} on validation"
        if len(kept) > 1
        else "no mean is as good as the best run alone: the soup is that run"
    )
    deepest = max(kept, key=lambda run: run.folder.info()["stages"][-1]["depth"])
    return write_run_of(
        folder,
        kept[0],
        deepest,
        model,
        predictor,
        validation,
        made.score,
        console,
        soup=[
            {"run": str(run.path), metric: alone[number], "kept": number in made.kept}
            for number, run in enumerate(runs)
        ],
    )
