"""What is looked for in a data set, without a model and with frozen features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kfine.console import Console
from kfine.data.labelled import Data
from kfine.examination.findings import Finding, Pool, duplicates
from kfine.recipe import Recipe

# Training examples that matter most, and that do most harm.
_MATTER = 12
# Area under the ROC curve from which two splits are said to differ.
_DIFFERENT = 0.6


def without_features(
    data: Data, pool: Pool, console: Console
) -> tuple[list[Finding], list[str], list[int], dict[str, Any]]:
    """Findings, what was not looked for, which examples are copies of each other, and sizes."""
    from kfine.examination.measures import measure, odd_ones, ranges

    left_out: list[str] = []
    findings = [
        Finding("cannot be used", one.split or "", one.name, "", one.reason)
        for one in data.set_aside
    ]
    measured = measure(data)
    if measured:
        findings += odd_ones(pool, measured)
    first: dict[str, int] = {}
    exact = [
        (first[digest], number, 1.0)
        for number, digest in enumerate(pool.digests)
        if first.setdefault(digest, number) != number
    ]
    near: list[tuple[int, int, float]] = []
    if data.examiner is None:
        left_out.append("examples that are nearly the same, and sizes: only equal ones were found")
    else:
        with console.timed("comparing the examples with each other"):
            pairs, note = data.examiner.alike(pool)
        near = [
            (one.one, one.other, one.similarity)
            for one in pairs
            if pool.digests[one.one] != pool.digests[one.other]
        ]
        left_out += [note] if note else []
    findings += duplicates(pool, exact, "duplicate") + duplicates(pool, near, "near duplicate")
    return findings, left_out, _components(len(pool), [*exact, *near]), ranges(measured)


def _components(count: int, pairs: Sequence[tuple[int, int, float]]) -> list[int]:
    """A number for each example, equal for those that pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = [one for one, _, _ in pairs], [other for _, other, _ in pairs]
    graph = coo_array(([1] * len(pairs), (rows, columns)), shape=(count, count))
    return list(map(int, connected_components(graph, directed=False)[1]))


def with_features(
    module: Recipe,
    config: Any,
    data: Data,
    pool: Pool,
    together: Sequence[int],
    known: Mapping[str, Sequence[float]],
    console: Console,
) -> tuple[list[Finding], dict[str, Any], list[str]]:
    """Findings, tables, and what was not looked for.

    Args:
        module: The recipe.
        config: Its settings.
        data: The data set.
        pool: Its examples.
        together: Equal for examples that are copies of each other.
        known: Probabilities of examples by name, of models that did not learn from them; of others
            linear models of the frozen features find some.
        console: Hears of the pass through the frozen layers.
    """
    from kfine.backend import load_backend

    with console.timed("loading TensorFlow and the preset"):
        load_backend()
        from kfine.evaluation.baselines import backbone_features
        from kfine.examination.features import (
            LEAST,
            difference_between,
            doubtful_labels,
            out_of_fold,
            outliers,
            weak_groups,
            worth_of_training,
        )

        built = module.build_model(config, data)
    answer, seed = built.answer, config.seed
    deep = nothing()
    if not answer.probes:
        what = f"what frozen features tell: the answer {answer.kind} has no linear model of them"
        return [], deep, [what]
    reads = _Reads(config, built.input)
    features = np.concatenate(backbone_features(reads, built.model, pool.splits, console))
    with console.timed("fitting linear models of the frozen features"):
        predictions = out_of_fold(answer, features, pool, together, seed)
    for number in range(len(pool)):
        name = pool.place(number)[1]
        if name in known:
            predictions[number] = np.array(known[name])
    findings, left_out = outliers(features, pool), list[str]()
    score = answer.score(predictions, pool.labels)
    deep["right"] = round(float(score.each.mean()), 4)
    if hasattr(answer, "doubts"):
        findings = [*doubtful_labels(answer, predictions, pool), *findings]
    else:
        left_out.append(f"labels that are probably wrong: the answer {answer.kind} cannot tell")
    if hasattr(answer, "confused"):
        deep["confused"] = answer.confused(predictions, pool.labels)
    deep["weak"] = [
        {**one, "examples": [pool.place(number) for number in one.pop("numbers")]}
        for one in weak_groups(answer, features, predictions, pool, seed)
    ]
    worth = worth_of_training(features, pool)
    if worth is None:
        needs = f"that needs classes and {LEAST} validation examples"
        left_out.append(f"training examples that matter most: {needs}")
    else:
        train = pool.splits[0]
        rows = [
            {"name": train.names[one], "label": train.labels[one], "worth": float(worth[one])}
            for one in np.argsort(worth, kind="stable")
        ]
        deep["matter"] = rows[::-1][:_MATTER]
        deep["harm"] = [one for one in rows[:_MATTER] if one["worth"] < 0]
    for held in (split.name for split in pool.splits if split.name != "train"):
        apart = difference_between(features, pool, held)
        if apart is None:
            left_out.append(f"whether {held} looks like training: too few examples")
            continue
        apart["telling"] = [pool.place(number) for number in apart["telling"]]
        apart["differs"] = apart["auc"] >= _DIFFERENT and apart["interval"][0] > 0.5
        deep["differences"][held] = apart
    return findings, deep, left_out


def nothing() -> dict[str, Any]:
    """What frozen features tell, where there are none."""
    return {
        "confused": [],
        "weak": [],
        "differences": {},
        "matter": [],
        "harm": [],
        "right": None,
    }


@dataclass(frozen=True)
class _Reads:
    config: Any
    input: Any
