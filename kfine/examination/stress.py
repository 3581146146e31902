"""How a model fares on changed and on unfamiliar examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from kfine.answers import Answer
from kfine.data.changes import Change
from kfine.data.examining import Examiner

# From a list of examples to a prediction each.
Predict = Callable[[list[Any]], list[Any]]


class Base(Protocol):
    """What is tried beside a model: it learns once what it is to say of all changed examples."""

    def see(self, examples: Sequence[Any]) -> None:
        """Take some examples in."""
        ...

    def predictions(self) -> list[Sequence[Any]]:
        """Predictions of each of what was seen."""
        ...


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
    base: Base | None = None,
) -> list[dict[str, Any]]:
    """The primary metric under each change and strength.

    Every strength changes the same examples by the same chance.

    Args:
        predict: Of the model.
        answer: Of it.
        changes: What is tried.
        examples: Those of the test split.
        labels: Their truth.
        seed: Of the chance.
        progress: Called with (done, total).
        base: What sees the same, for `add_base`.

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
            if base is not None:
                base.see(changed)
            steps.append({"value": value, answer.primary: float(score.metrics[answer.primary])})
            done += 1
            progress(done, total)
        found.append({"name": change.name, "unit": change.unit, "steps": steps})
    return found


def add_base(found: dict[str, Any], answer: Answer, base: Base, labels: Sequence[Any]) -> None:
    """Put beside each step, as `base`, what the base has there, and a sentence on all.

    Args:
        found: With `changes` as `changed_scores` gives them.
        answer: Of the model.
        base: Saw the examples as they are, and then all that were changed, in this order.
        labels: Of the examples.
    """
    unchanged, *others = (
        float(answer.score(one, labels).metrics[answer.primary]) for one in base.predictions()
    )
    steps = [step for one in found["changes"] for step in one["steps"]]
    for step, value in zip(steps, others, strict=True):
        step["base"] = value
    found["base"] = {"unchanged": unchanged}
    found["base"]["words"] = _beside_base(found)


def _beside_base(found: Mapping[str, Any]) -> str:
    """A sentence on how much a model loses by the changes, and its base."""
    sign = 1 if found["direction"] == "max" else -1

    def fall(step: Mapping[str, Any], of: str, before: float) -> float:
        return float(sign * (before - step[of]) / found["scale"])

    lost, known, gap = [], [], {}
    for one in found["changes"]:
        own = [fall(step, found["primary"], found["unchanged"]) for step in one["steps"]]
        base = [fall(step, "base", found["base"]["unchanged"]) for step in one["steps"]]
        lost += own
        known += base
        gap[one["name"]] = float(np.mean(own) - np.mean(base))
    words = found["primary"].replace("_", " ")
    sentence = (
        f"on average the changes cost the model {np.mean(lost):.3f} of its {words}, and "
        f"{np.mean(known):.3f} the frozen backbone with a linear model, which has "
        f"{found['base']['unchanged']:.3f} unchanged"
    )
    worse = sorted((name for name, one in gap.items() if one >= _WORTH), key=lambda one: -gap[one])
    return f"{sentence}; tuning made it frailer by: {', '.join(worse)}" if worse else sentence


def unfamiliar_scores(
    predict: Predict,
    examiner: Examiner,
    examples: Sequence[Any],
    known: np.ndarray,
    seed: int,
    others: Mapping[str, list[Any]] | None = None,
    energy: Callable[[Sequence[Any]], np.ndarray] | None = None,
) -> list[dict[str, Any]]:
    """Whether confidence falls for what is none of the classes.

    Args:
        predict: Gives probabilities of classes.
        examiner: Makes such examples.
        examples: Those of the test split.
        known: `(examples,)`, how sure the model is of these.
        seed: Of the chance.
        others: More kinds, name -> examples.
        energy: From examples to how familiar their logits say that they are, `(examples,)`.

    Returns:
        For each kind: `name`; `count`; `sure`, the mean confidence; `auroc`, how well confidence
        tells them from test examples (D. Hendrycks, K. Gimpel, A Baseline for Detecting
        Misclassified and Out-of-Distribution Examples, 2017, https://arxiv.org/abs/1610.02136);
        `energy_auroc`, how well the energy does (Liu et al., 2020,
        https://arxiv.org/abs/2010.03759).
    """
    from sklearn.metrics import roc_auc_score

    kinds: dict[str, list[Any]] = {}
    for place, one in enumerate(examples):
        for name, other in examiner.unfamiliar(one, np.random.default_rng((seed, place))).items():
            kinds.setdefault(name, []).append(other)
    kinds |= others or {}
    familiar = None if energy is None else energy(examples)

    def area(own: np.ndarray, other: np.ndarray) -> float:
        truth = np.concatenate([np.ones(len(own)), np.zeros(len(other))])
        return round(float(roc_auc_score(truth, np.concatenate([own, other]))), 4)

    found = []
    for name, some in kinds.items():
        sure = np.array([float(np.max(one)) for one in predict(some)])
        row: dict[str, Any] = {"name": name, "count": len(some)}
        row["sure"] = round(float(sure.mean()), 4)
        row["auroc"] = area(known, sure)
        if energy is not None and familiar is not None:
            row["energy_auroc"] = area(familiar, energy(some))
        found.append(row)
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
