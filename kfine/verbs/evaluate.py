"""`evaluate`: score a model on held-out data; a run beside the trivial and the frozen answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kfine.answers.score import Score
from kfine.console import Console
from kfine.data.columns import cells_of, read_columns
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import DataError
from kfine.recipe import Recipe, recipe_of_run
from kfine.runtimes.kinds import find_model
from kfine.training.data import (
    load_data_of_run,
    warn_cut_split,
    warn_set_aside,
    with_columns,
    with_rehearsal,
)
from kfine.training.rehearsal import rehearsed
from kfine.training.run import TrainedRun, as_run
from kfine.verbs.evaluation_files import evaluation_folder, keep_evaluation
from kfine.verbs.files import is_run


def evaluate(
    model: TrainedRun | str | Path,
    *,
    data: str | None = None,
    slices: Sequence[str] = (),
    sensitive: Sequence[str] = (),
    console: Console | None = None,
) -> dict[str, Any]:
    """Score a finished run, or an exported file, on the run's test split or on other data.

    Writes `metrics.json` and `plots/` into the run folder; for other data into
    `evaluations/NAME/` of it, for an exported file into `evaluations/NAME/` beside it. Where that
    cannot be written, it says so and goes on.

    Args:
        model: A run, its folder, or what `kfine export` wrote, in any format.
        data: Other data of the same classes, as a source that the recipe can read.
        slices: Columns of the data's table, such as the light or the device: what they tell apart
            is scored by itself, see `kfine.evaluation.slices`.
        sensitive: Columns, such as the sex, of which it is told too whether what is given to whom
            keeps four fifths and equalised odds.
        console: Hears of the progress.

    Returns:
        The answer's metrics, the `primary` one and its `direction` named, and under `baselines`
        the trivial answer and the frozen backbone (a linear probe, or the head alone), each with
        the same metrics; under `gain` the comparison with the latter; under `rehearsed`, where the
        run rehearsed other data, the primary metric on its test examples; under `slices` those of
        columns; under `told`, of a model that writes, how well it knows the texts that were
        wanted, see `kfine.evaluation.told`. Those of an exported file
        have no baselines, and under `model` its path, its kind and its milliseconds per example.

    Raises:
        KfineError: The run has not finished, or the model or the data cannot be used.
    """
    console = console or Console()
    if not isinstance(model, TrainedRun) and _is_exported(find_model(model)):
        from kfine.verbs.evaluate_file import evaluate_file

        return evaluate_file(
            find_model(model), data=data, slices=slices, sensitive=sensitive, console=console
        )
    run = as_run(model)
    run.folder.require_finished()
    columns = Columns.read(data or str(run.config.data), slices, sensitive)
    module, note = recipe_of_run(run.folder)
    if note:
        console.warn(note)
    own = load_data_of_run(run.folder, module, run.config, console)
    own = with_rehearsal(own, module, run.config, console)
    scored = own if data is None else _other_data(run, module, data, console)
    if scored.test is None:
        raise DataError(f"The data of {run.path} has no test split; give other data with --data.")
    with console.timed("loading TensorFlow and the model"):
        run.model  # noqa: B018
    predictions = _predict_with_cache(run, scored.test, console)
    score = run.answer.score(predictions, scored.test.labels)
    metrics = metrics_of(run, score, predictions, scored.test, columns, console)
    with console.timed("scoring the baselines"):
        from kfine.evaluation.baselines import Untuned, beside_baselines

        learned = rehearsed(own)
        untuned = Untuned.of(run, module, learned)
        both = [(scored.test, score)]
        other = own.rehearsal if data is None else None
        if other is not None and other.test:
            known = _predict_with_cache(run, other.test, console)
            both.append((other.test, run.answer.score(known, other.test.labels)))
        beside, *rest = beside_baselines(run, module, learned, both, console, untuned)
        metrics |= beside
        if other is not None and rest:
            metrics["rehearsed"] = _rehearsed(run, other.source, both[1][1], rest[0])
        if untuned is not None and hasattr(run.answer, "fed"):
            metrics |= _told(run, untuned.model, scored.test, console)
    folder = evaluation_folder(run.path, data)
    keep_evaluation(
        console,
        folder,
        metrics,
        score,
        predictions,
        scored.test,
        run.input,
        run.answer,
        untuned=None if untuned is None else untuned.predictions(scored.test),
    )
    return metrics


def _told(run: TrainedRun, base: Any, split: Split, console: Console) -> dict[str, Any]:
    """How well the model, and the untuned one, know the texts that were wanted.

    Nothing where they cannot be told, such as those of recordings that are heard in parts.
    """
    from kfine.evaluation.told import gain_of_told, told

    try:
        tuned, before = (
            told(model, run.input, run.answer, split, run.config.batch_size)
            for model in (run.model, base)
        )
    except DataError as error:
        console.say(f"the wanted texts are not measured token by token: {error}")
        return {}
    found = {**tuned.to_dict(), "untuned": before.to_dict()}
    return {"told": {**found, "gain": gain_of_told(tuned, before)}}


def _rehearsed(
    run: TrainedRun, source: str, score: Score, beside: dict[str, Any]
) -> dict[str, Any]:
    """What the model still knows of the data that it rehearsed, beside the frozen backbone."""
    primary = run.answer.primary
    return {
        "source": source,
        "count": len(score.each),
        primary: score.metrics[primary],
        "baselines": {name: one[primary] for name, one in beside["baselines"].items()},
        "gain": beside["gain"],
    }


def _other_data(run: TrainedRun, module: Recipe, data: str, console: Console) -> Data:
    """Other labelled data for a run, with what is to be said of it."""
    config = replace(run.config, **run.input.settings())
    scored = module.load_data(with_columns(config, run.columns, data), data, run.answer)
    for line in (*scored.notes, *scored.warnings):
        console.warn(line)
    warn_set_aside(scored, console)
    return scored


@dataclass(frozen=True)
class Columns:
    """Columns that tell slices apart: what they say of each example, by its name."""

    cells: dict[str, dict[str, str]]
    sensitive: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: str, slices: Sequence[str], sensitive: Sequence[str]) -> Columns:
        """The columns of a source, which is not read where none is asked for.

        Raises:
            DataError: The source has no table, or not such a column.
        """
        names = list(dict.fromkeys(one.strip().lower() for one in (*slices, *sensitive)))
        if not names:
            return cls({})
        cells = read_columns(data, names, "Slices are columns")
        return cls(cells, tuple(one.strip().lower() for one in sensitive))


def metrics_of(
    model: Any, score: Score, predictions: Any, split: Split, columns: Columns, console: Console
) -> dict[str, Any]:
    """What `metrics.json` holds of a model: its score, that of small and large examples apart.

    Examples of which the model does not see all are named there and to the user.

    Args:
        model: With `input` and `answer`.
        score: Of the predictions.
        predictions: One for each example of the split.
        split: What was predicted.
        columns: What tells slices apart.
        console: Is warned.
    """
    from kfine.evaluation import by_columns, by_size

    metrics = score.to_dict(model.answer)
    sizes = model.input.sizes(split.examples()) if split.read is None else None
    if sizes is not None:
        unit, counted = sizes
        metrics["by_size"] = by_size(model.answer, predictions, split.labels, unit, counted)
    if columns.cells:
        cells = {name: cells_of(split.records, one) for name, one in columns.cells.items()}
        metrics["slices"] = by_columns(
            model.answer, predictions, split.labels, cells, columns.sensitive
        )
    cut = warn_cut_split(model.input, split, console)
    if cut:
        metrics["cut"] = cut
    return metrics


def _is_exported(path: Path) -> bool:
    # A folder without a model is refused as a run folder, in words that name `kfine runs`.
    if path.is_dir():
        marks = ("saved_model.pb", "model.xml")
        return not is_run(path) and any((path / one).is_file() for one in marks)
    return path.exists()


def _predict_with_cache(run: TrainedRun, split: Split, console: Console) -> list[Any]:
    """Predictions by the features that the model was trained on, where they are kept."""
    from kfine.evaluation.baselines import features_of
    from kfine.inputs import Encoded
    from kfine.models.forward import Forward
    from kfine.runtimes.keras_model import decoded

    if hasattr(run.answer, "generation"):
        # Another model than the one whose features are kept.
        return run.predictor.predict_split(split)
    depth = run.folder.info()["stages"][-1]["depth"]
    encoded = run.input.encode(split.inputs)
    found = features_of(run, run.model, depth, [encoded], console)
    if found is None:
        return run.predictor.predict_split(split)
    suffix, ((features, lengths),) = found
    forward = Forward(suffix, features, None, run.config.batch_size, lengths)
    return list(
        decoded(forward, Encoded(features, encoded.places, lengths), len(split), run.answer)
    )
