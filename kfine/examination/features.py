"""What frozen features say of a data set: doubtful labels, outliers, splits that differ."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from kfine.answers import Answer
from kfine.data.clean_list import LOOK, RELABEL
from kfine.examination.findings import Finding, Pool
from kfine.statistics import holm

FOLDS = 5
# Of fewer examples of a split no classifier can tell it from another.
LEAST = 20
_NEIGHBOURS = 10
_VOTERS = 5
# As cleanlab's Datalab: below so much of the middle score, an example is an outlier.
_OUTLIER = 0.37
_TELLING = 5
# Of labels that are given less probability most are wrong (docs/doctor.md).
_SURE = 0.02


def out_of_fold(
    answer: Answer, features: np.ndarray, pool: Pool, together: Sequence[int], seed: int
) -> list[Any]:
    """A prediction for each example by linear models that did not learn from it or its copies.

    Args:
        answer: With a `probe`.
        features: float32 `(examples, features)`.
        pool: The examples.
        together: Equal for examples that are copies of each other.
        seed: Of the folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(FOLDS, len(set(together)))
    found: list[Any] = [None] * len(pool)
    with warnings.catch_warnings():
        # A class of fewer examples than folds is in some of them only.
        warnings.simplefilter("ignore", UserWarning)
        folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        parts = list(folds.split(features, pool.strata, together))
    for learned, held in parts:
        labels = [pool.labels[number] for number in learned]
        none: tuple[np.ndarray, list[Any]] = (features[:0], [])
        predictions, _ = answer.probe((features[learned], labels), none, features[held], seed)
        for number, prediction in zip(held, predictions, strict=True):
            found[number] = prediction
    return found


def doubtful_labels(answer: Answer, predictions: Sequence[Any], pool: Pool) -> list[Finding]:
    """Labels that are probably wrong, the most doubtful first, as the answer tells them."""
    found = []
    for one in answer.doubts(predictions, pool.labels):  # type: ignore[attr-defined]
        sure = one.probability is not None
        said = f" ({one.probability:.0%}), labelled so: {one.given:.0%}" if sure else ""
        found.append(
            pool.finding(
                "label in doubt",
                one.number,
                f"looks like {one.label}{said}",
                suggestion=RELABEL if sure and one.given < _SURE else LOOK,
                new_label=one.label if sure else "",
                score=one.quality,
            )
        )
    return found


def outliers(features: np.ndarray, pool: Pool) -> list[Finding]:
    """Examples whose nearest neighbours among the features are far away.

    The rule is that of cleanlab: Kuan and Mueller, Back to the Basics: Revisiting
    Out-of-Distribution Detection Baselines, 2022, https://arxiv.org/abs/2207.03061.
    """
    from cleanlab.outlier import OutOfDistribution

    if len(pool) <= 2 * _NEIGHBOURS:
        return []
    detector = OutOfDistribution({"k": _NEIGHBOURS})
    scores = detector.fit_score(features=features.astype(np.float64), verbose=False)
    limit = _OUTLIER * float(np.median(scores))
    return [
        pool.finding("unlike all others", number, "far from its neighbours", score=scores[number])
        for number in np.argsort(scores, kind="stable")
        if scores[number] < limit
    ]


def difference_between(features: np.ndarray, pool: Pool, held: str) -> dict[str, Any] | None:
    """How well a linear model tells training examples from those of a held-out split.

    Returns:
        `auc`, area under the ROC curve of examples that it did not learn from: 0.5 where the two
        are alike; `interval`, of 95 % (Hanley and McNeil, 1982); `telling`, names of the held-out
        examples that look least like training. `None` where either has too few examples.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    names = np.array([pool.place(number)[0] for number in range(len(pool))])
    chosen = np.flatnonzero((names == "train") | (names == held))
    is_held = names[chosen] == held
    few, many = int(is_held.sum()), int((~is_held).sum())
    if min(few, many) < LEAST:
        return None
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=1e-3, class_weight="balanced", max_iter=300)
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with threadpool_limits(1):
        sure = cross_val_predict(
            model, features[chosen], is_held, cv=folds, method="predict_proba"
        )[:, 1]
    auc = float(roc_auc_score(is_held, sure))
    error = _error_of_auc(auc, few, many)
    order = sorted(np.flatnonzero(is_held), key=lambda one: -sure[one])[:_TELLING]
    return {
        "auc": round(auc, 4),
        "interval": [round(max(0.0, auc - error), 4), round(min(1.0, auc + error), 4)],
        "telling": [int(chosen[one]) for one in order],
    }


def _error_of_auc(auc: float, few: int, many: int) -> float:
    """Half of the interval of 95 %."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (few - 1) * (one - auc**2) + (many - 1) * (two - auc**2)
    return 1.96 * float(np.sqrt(max(0.0, variance) / (few * many)))


def worth_of_training(features: np.ndarray, pool: Pool) -> np.ndarray | None:
    """How much each training example helps its neighbours in validation to the right class.

    The Shapley value of each for a classifier of the five nearest neighbours, exact: Jia et al.,
    Efficient Task-Specific Data Valuation for Nearest Neighbor Algorithms, 2019,
    https://arxiv.org/abs/1908.08619.

    Returns:
        float64 `(training examples,)`; together they are the share of the five neighbours of an
        example in validation that have its label, on average, and one below 0 does harm. `None`
        where labels are no classes, or too few examples validate. Test examples have no say: a
        training set that is cleaned by them would make their scores too good.
    """
    names = np.array([pool.place(number)[0] for number in range(len(pool))])
    learned, held = np.flatnonzero(names == "train"), np.flatnonzero(names == "validation")
    if len(held) < LEAST or not all(isinstance(one, str) for one in pool.labels):
        return None
    from sklearn.preprocessing import normalize

    labels = np.array(pool.labels)
    units, count = normalize(features), len(learned)
    places = np.arange(1, count)
    weights = np.minimum(_VOTERS, places) / (_VOTERS * places)
    found = np.zeros(count)
    for number in held:
        near = np.argsort(-(units[learned] @ units[number]), kind="stable")
        same = (labels[learned[near]] == labels[number]).astype(np.float64)
        last = same[-1] * min(_VOTERS, count) / (_VOTERS * count)
        steps = (same[:-1] - same[1:]) * weights
        found[near] += last + np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    return found / len(held)


def weak_groups(
    answer: Answer, features: np.ndarray, predictions: Sequence[Any], pool: Pool, seed: int
) -> list[dict[str, Any]]:
    """Groups of alike examples that linear models are wrong about more often than about others.

    Clusters of the features (k-means), tested one by one against the rest by Fisher's exact test,
    corrected for their number (Holm, 1979).

    Returns:
        For each group, the worst first: `right`, fraction; `elsewhere`, fraction; `count`;
        `p_value`; `numbers` of wrong examples.
    """
    from scipy.stats import fisher_exact
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import normalize
    from threadpoolctl import threadpool_limits

    right = answer.score(predictions, pool.labels).each
    count = len(pool) // 40
    if count < 3 or not np.isin(right, (0.0, 1.0)).all():
        return []
    with threadpool_limits(1):
        clusters = KMeans(min(20, count), n_init=3, random_state=seed).fit_predict(
            normalize(features)
        )
    p_values = []
    found_clusters = np.unique(clusters).tolist()
    for cluster in found_clusters:
        inside = clusters == cluster
        table = [
            [int((right[one] == value).sum()) for value in (0, 1)] for one in (inside, ~inside)
        ]
        p_values.append(float(fisher_exact(table, "greater").pvalue))
    found = []
    for corrected, cluster in sorted(zip(holm(p_values), found_clusters, strict=True)):
        if corrected > 0.05:
            break
        inside = clusters == cluster
        found.append(
            {
                "right": round(float(right[inside].mean()), 4),
                "elsewhere": round(float(right[~inside].mean()), 4),
                "count": int(inside.sum()),
                "p_value": corrected,
                "numbers": [int(one) for one in np.flatnonzero(inside & (right == 0))],
            }
        )
    return found
