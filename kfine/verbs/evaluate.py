"""`evaluate`: score a model on held-out data; a run beside the trivial and the frozen answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kfine.console import Console
from kfine.errors import DataError
from kfine.exporting.kinds import find_model
from kfine.verbs.data import load_data_of_run, warn_set_aside
from kfine.verbs.evaluation_files import evaluation_folder, write_evaluation
from kfine.verbs.files import is_run
from kfine.verbs.predictions import gain, interpreted, predict_split, right_of
from kfine.verbs.recipes import recipe_of_run
from kfine.verbs.run import Run, as_run


def evaluate(
    model: Run | str | Path,
    *,
    data: str | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Score a finished run, or an exported file, on the run's test split or on other data.

    Writes `metrics.json` and `plots/` into the run folder; for other data into
    `evaluations/NAME/` of it, for an exported file into `evaluations/NAME/` beside it.

    Args:
        model: A run, its folder, or what `kfine export` wrote, in any format.
        data: Other data of the same classes, as a source that the recipe can read.
        console: Hears of the progress.

    Returns:
        The recipe's metrics, the `primary` one named, and under `baselines` the majority class
        and a linear probe on the frozen backbone, each with the same metrics; under `gain` the
        comparison with the probe. Those of an exported file have no baselines, and under
        `model` its path, its kind and its milliseconds per image.

    Raises:
        KfineError: The run has not finished, or the model or the data cannot be used.
    """
    console = console or Console()
    if not isinstance(model, Run) and _is_exported(find_model(model)):
        from kfine.verbs.evaluate_file import evaluate_file

        return evaluate_file(find_model(model), data=data, console=console)
    run = as_run(model)
    run._folder.require_finished()
    module, note = recipe_of_run(run._folder)
    if note:
        console.warn(note)
    own = load_data_of_run(run._folder, module, run.config, console)
    scored = own
    if data is not None:
        scored = module.load_other_data(run.config, data, run.class_names)
        for line in (*scored.notes, *scored.warnings):
            console.warn(line)
        warn_set_aside(scored, console)
    if scored.test is None:
        raise DataError(f"The data of {run.path} has no test split; give other data with --data.")
    with console.timed("loading TensorFlow and the model"):
        network = run.model
    predictions = _predict_with_cache(run, network, scored.test, console)
    metrics: dict[str, Any] = module.evaluate(predictions, scored)
    with console.timed("scoring the baselines"):
        if hasattr(module, "interpret"):
            from kfine.verbs.head_alone import beside_head_alone

            metrics |= beside_head_alone(run, module, own, scored, predictions)
        else:
            metrics |= _beside_probe(run, module, own, scored, predictions, console)
    write_evaluation(evaluation_folder(run.path, data), metrics, scored, predictions, module)
    return metrics


def _beside_probe(
    run: Run, module: Any, own: Any, scored: Any, probabilities: np.ndarray, console: Console
) -> dict[str, Any]:
    """The trivial answer and the probe of a classifier, and what tuning gained over the probe."""
    probe = _probe(run, module, own, scored, console)
    guessed = np.array(probe.pop("predictions")) == scored.test.labels
    return {
        "baselines": {"majority": _majority(own, scored), "linear_probe": probe},
        "gain": gain("linear_probe", right_of(module, probabilities, scored.test), guessed),
    }


def _is_exported(path: Path) -> bool:
    # A folder without a model is refused as a run folder, in words that name `kfine runs`.
    if path.is_dir():
        marks = ("saved_model.pb", "model.xml")
        return not is_run(path) and any((path / one).is_file() for one in marks)
    return path.exists()


def _predict_with_cache(run: Run, model: Any, split: Any, console: Console) -> Any:
    """As `predict_split`, with the features that the model was trained on where they are kept."""
    from kfine.models.forward import predict_rows

    stages = run._folder.info()["stages"]
    found = _features(run, model, stages[-1]["depth"], [split], console)
    if found is None:
        return predict_split(run, model, split)
    suffix, ((features, lengths),) = found
    outputs = predict_rows(suffix, features, None, run.config.batch_size, lengths)
    return interpreted(run, outputs, split.inputs[range(len(split))])


def _majority(own: Any, scored: Any) -> dict[str, Any]:
    from kfine.evaluation import majority_baseline

    return majority_baseline(own.train.labels, scored.test.labels, own.class_names)


def _features(run: Run, model: Any, depth: int, splits: list[Any], console: Console) -> Any:
    from kfine.models.groups import layer_groups
    from kfine.training.frozen import frozen_features, request_for

    preprocessing = run.preprocessing
    requests = []
    for split in splits:
        rows = preprocessing.rows(split.inputs)
        requests.append(request_for(rows, preprocessing.prepare, preprocessing.lengths(rows)))
    return frozen_features(
        model,
        layer_groups(model),
        depth,
        requests,
        preprocessing=preprocessing.to_dict(),
        precision=run.config.feature_cache,
        memory_budget=int(run.config.cache_memory * 1e9),
        console=console,
    )


def _probe(run: Run, module: Any, own: Any, scored: Any, console: Console) -> dict[str, Any]:
    """Logistic regression on what the untouched backbone gives to the head."""
    from kfine.evaluation import linear_probe

    splits = [own.train, own.validation, scored.test]
    train, validation, test = _backbone_features(run, module, own, splits, console)
    return linear_probe(
        train,
        own.train.labels,
        validation,
        own.validation.labels,
        test,
        scored.test.labels,
        own.class_names,
        seed=run.config.seed,
    )


def _backbone_features(
    run: Run, module: Any, own: Any, splits: list[Any], console: Console
) -> list[np.ndarray]:
    """`(examples, features)` float32 of each split."""
    import keras

    from kfine.models.forward import predict_rows

    base = module.build_model(run.config, own).model
    found = _features(run, base, 0, splits, console)
    if found is not None and all(hasattr(rows, "shape") for rows, _ in found[1]):
        return [np.asarray(rows[range(len(rows))], np.float32) for rows, _ in found[1]]
    before_head = keras.Model(base.input, base.layers[-1].input)
    raw, answers = run.preprocessing, []
    for split in splits:
        rows = raw.rows(split.inputs)
        answers.append(predict_rows(before_head, rows, raw.prepare, 32, raw.lengths(rows)))
    return answers
