"""How a model fares on changed and on unfamiliar examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kfine.answers import Answer
from kfine.data.changes import Change
from kfine.data.examining import Examiner

# From a list of examples to a prediction each.
Predict = Callable[[list[Any]], list[Any]]
# A fall of the primary metric, in units of its scale, that is worth a word.
_WORTH = 0.05


def changed_scores(
    predict: Predict,
    answer: Answer,
    changes: Sequence[Change],
    examples: Sequence[Any],
    labels: Sequence[Any],
    seed: int,
    progress: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """The primary metric under each change and strength.

    Every strength changes the same examples by the same chance.

    Returns:
        For each change: `name`, `unit`, and `steps`, each with `value` and the metric.
    """
    found: list[dict[str, Any]] = []
    total, done = sum(len(one.values) for one in changes), 0
    for change in changes:
        steps = []
        for value in change.values:
            changed = [
                change.apply(one, value, np.random.default_rng((seed, place)))
                for place, one in enumerate(examples)
            ]
            score = answer.score(predict(changed), labels)
            steps.append({"value": value, answer.primary: float(score.metrics[answer.primary])})
            done += 1
            progress(done, total)
        found.append({"name": change.name, "unit": change.unit, "steps": steps})
    return found


def unfamiliar_scores(
    predict: Predict, examiner: Examiner, examples: Sequence[Any], known: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """Whether confidence falls for what is none of the classes.

    Args:
        predict: Gives probabilities of classes.
        examiner: Makes such examples.
        examples: Those of the test split.
        known: `(examples,)`, how sure the model is of these.
        seed: Of the chance.

    Returns:
        For each kind: `name`; `sure`, the mean confidence; `auroc`, how well confidence tells
        them from test examples (D. Hendrycks, K. Gimpel, A Baseline for Detecting Misclassified
        and Out-of-Distribution Examples, 2017, https://arxiv.org/abs/1610.02136).
    """
    from sklearn.metrics import roc_auc_score

    kinds: dict[str, list[Any]] = {}
    for place, one in enumerate(examples):
        for name, other in examiner.unfamiliar(one, np.random.default_rng((seed, place))).items():
            kinds.setdefault(name, []).append(other)
    found = []
    for name, others in kinds.items():
        sure = np.array([float(np.max(one)) for one in predict(others)])
        truth = np.concatenate([np.ones(len(known)), np.zeros(len(sure))])
        area = float(roc_auc_score(truth, np.concatenate([known, sure])))
        found.append({"name": name, "sure": round(float(sure.mean()), 4), "auroc": round(area, 4)})
    return found


def what_to_fear(found: Mapping[str, Any]) -> str:
    """A sentence on the change that costs most, and on the first step that costs anything."""
    primary, before = found["primary"], found["unchanged"]
    sign = 1 if found["direction"] == "max" else -1
    falls = [
        (sign * (before - step[primary]) / found["scale"], one, step)
        for one in found["changes"]
        for step in one["steps"]
    ]
    words = primary.replace("_", " ")
    worst, one, step = max(falls, key=lambda fall: fall[0])
    if worst < _WORTH:
        return f"none of these changes moves {words} by {_WORTH:.0%} or more"
    mild = [
        (fall, other, at) for fall, other, at in falls if at is other["steps"][0] and fall >= _WORTH
    ]
    sentence = (
        f"fear most: {one['name']} ({step['value']:g} {one['unit']}): {words} {step[primary]:.3f}, "
        f"unchanged {before:.3f}"
    )
    if mild:
        names = ", ".join(other["name"] for _, other, _ in sorted(mild, key=lambda fall: -fall[0]))
        sentence += f"; already the weakest step costs something: {names}"
    return sentence
