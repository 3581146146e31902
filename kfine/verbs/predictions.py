"""What a run's model predicts for a split, which of it is right, and what that is worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from kfine.verbs.recipes import recipe_of_run
from kfine.verbs.run import Run


def predict_split(run: Run, model: Any, split: Any) -> Any:
    """A recipe's predictions for a split: of classes, `(examples, classes)` float32."""
    return interpreted(run, split_outputs(run, model, split), split.inputs[range(len(split))])


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


def split_outputs(run: Run, model: Any, split: Any) -> Any:
    """What a model gives for the rows of a split, in their order."""
    from kfine.models.forward import predict_rows

    raw = run.preprocessing
    rows = raw.rows(split.inputs)
    return predict_rows(model, rows, raw.prepare, run.config.batch_size, raw.lengths(rows))


def read_inside(
    module: Any, logits: Any, examples: Any, preprocessing: Any, class_names: tuple[str, ...]
) -> np.ndarray:
    """What a recipe reads out of the logits for examples, as an array of objects.

    So folds can be joined whatever a prediction is.
    """
    found = module.interpret(logits, examples, preprocessing, class_names)
    return np.fromiter(found, dtype=object, count=len(found))
