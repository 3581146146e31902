"""`evaluate`: score a model on held-out data; a run beside the trivial and the frozen answer."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from kfine.console import Console
from kfine.errors import DataError
from kfine.exporting.kinds import find_model
from kfine.runs.files import write_json, write_text
from kfine.verbs.data import load_data_of_run, warn_set_aside
from kfine.verbs.files import is_run
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


def write_evaluation(
    folder: Path, metrics: dict[str, Any], scored: Any, predictions: Any, module: Any
) -> None:
    """Write `metrics.json` and `predictions.json`.

    For classes also `plots/`, or `mistakes.csv` where the examples are texts.

    Raises:
        RunError: The folder cannot be written.
    """
    write_json(folder / "metrics.json", metrics)
    if hasattr(module, "interpret"):
        rows = [
            {"name": name, "answers": module.describe(one, scored.class_names)}
            for name, one in zip(scored.test.names, predictions, strict=True)
        ]
        write_json(folder / "predictions.json", rows)
        return
    write_json(folder / "predictions.json", _rows(scored.test, predictions, scored.class_names))
    _draw(folder / "plots", metrics, scored, predictions)


def predict_split(run: Run, model: Any, split: Any) -> Any:
    """A recipe's predictions for a split: of classes, `(examples, classes)` float32."""
    return interpreted(run, split_outputs(run, model, split), split.inputs[range(len(split))])


def split_outputs(run: Run, model: Any, split: Any) -> Any:
    """What a model gives for the rows of a split, in their order."""
    from kfine.data.pipeline import predict_rows

    raw = run.preprocessing
    rows = raw.rows(split.inputs)
    return predict_rows(model, rows, raw.prepare, run.config.batch_size, raw.lengths(rows))


def interpreted(run: Run, outputs: Any, examples: Any) -> Any:
    """A model's outputs as predictions: probabilities of classes, or what the recipe reads.

    Args:
        run: The run of the model.
        outputs: What the model gave for the rows of the examples.
        examples: The examples.
    """
    from kfine.evaluation import softmax

    module, _ = recipe_of_run(run._folder)
    if not hasattr(module, "interpret"):
        return softmax(outputs)
    return read_inside(module, outputs, examples, run.preprocessing, run.class_names)


def read_inside(
    module: Any, logits: Any, examples: Any, preprocessing: Any, class_names: tuple[str, ...]
) -> np.ndarray:
    """What a recipe reads out of the logits for examples, as an array of objects.

    So folds can be joined whatever a prediction is.
    """
    found = module.interpret(logits, examples, preprocessing, class_names)
    return np.fromiter(found, dtype=object, count=len(found))


def _predict_with_cache(run: Run, model: Any, split: Any, console: Console) -> Any:
    """As `predict_split`, with the features that the model was trained on where they are kept."""
    from kfine.data.pipeline import predict_rows

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

    from kfine.data.pipeline import predict_rows

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


def right_of(module: Any, predictions: Any, split: Any) -> np.ndarray:
    """Which examples a recipe's predictions have right, bool `(examples,)`."""
    if hasattr(module, "right"):
        return np.array(module.right(predictions, split), bool)
    found: np.ndarray = predictions.argmax(-1) == split.labels
    return found


def gain(over: str, right: np.ndarray, baseline_right: np.ndarray) -> dict[str, Any]:
    """Whether a tuned model beats a baseline on the same examples, and how sure that is.

    Args:
        over: Name of the baseline.
        right: bool `(examples,)`, which the model has right.
        baseline_right: The same of the baseline.
    """
    from kfine.statistics import paired_binomial, paired_difference_interval

    better = int((right & ~baseline_right).sum())
    worse = int((~right & baseline_right).sum())
    low, high = paired_difference_interval(right, baseline_right)
    return {
        "over": over,
        "accuracy": float(right.mean() - baseline_right.mean()),
        "interval": [float(low), float(high)],
        "p_value": float(paired_binomial(better, worse)),
    }


def evaluation_folder(run: Path, data: str | None) -> Path:
    """Where `evaluate` writes: the run folder, or one below it named after other data."""
    return run if data is None else run / "evaluations" / evaluation_name(data)


def evaluation_name(data: str) -> str:
    """A folder name for other data."""
    # Two parts of the path, since many folders are called "test".
    name = "-".join(Path(data).absolute().parts[-2:])
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


def _rows(split: Any, probabilities: np.ndarray, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "label": names[label],
            "prediction": names[row.argmax()],
            "probability": round(float(row.max()), 6),
        }
        for name, label, row in zip(split.names, split.labels, probabilities, strict=True)
    ]


def _write_mistakes(path: Path, data: Any, probabilities: np.ndarray) -> None:
    """All mistakes with their texts, the most confident first."""
    from kfine.evaluation import confident_mistakes

    test = data.test
    texts = test.inputs[range(len(test))]
    found = confident_mistakes(probabilities, test.labels, texts, data.class_names)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, ["label", "prediction", "probability", "text"], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(found)
    write_text(path, text.getvalue())


def _draw(folder: Path, metrics: dict[str, Any], data: Any, probabilities: np.ndarray) -> None:
    from kfine.evaluation.plots import confusion_matrix_png, mistakes_png

    names, test = data.class_names, data.test
    confusion_matrix_png(folder / "confusion_matrix.png", metrics["confusion_matrix"], names)
    if data.medium == "text":
        _write_mistakes(folder.parent / "mistakes.csv", data, probabilities)
        return
    predicted = probabilities.argmax(-1)
    wrong = np.flatnonzero(predicted != test.labels)
    worst = wrong[np.argsort(-probabilities[wrong].max(-1), kind="stable")][:24]
    mistakes_png(
        folder / "mistakes.png",
        test.inputs[worst],
        [names[label] for label in test.labels[worst]],
        [names[label] for label in predicted[worst]],
        probabilities[worst].max(-1),
        names,
    )
