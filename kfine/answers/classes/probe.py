"""A linear model on the features of a frozen backbone, which a tuned model has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers.classes.metrics import SMALLEST_PROBABILITY
from kfine.errors import DataError

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

# Weak to strong fit. Standardised backbone features are many (1280) and examples often few, so
# the useful end is that of strong regularisation.
PROBE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# Where validation has no examples to choose on.
USUAL_STRENGTH = 1e-2
# Beyond this many, more examples change a linear model little and cost minutes and gigabytes.
MOST_PROBE_EXAMPLES = 20_000
MOST_PROBE_STEPS = 300


def linear_probe(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    val_features: np.ndarray,
    val_labels: np.ndarray,
    test_features: np.ndarray,
    *,
    classes: int,
    seed: int,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit a logistic regression on the features of the frozen backbone.

    The features are standardised with the training split's mean and deviation. The inverse
    regularisation strength `C` is the one with the highest validation accuracy (then the lowest
    validation loss) of `PROBE_STRENGTHS`; the test split takes no part in the choice. The idea is
    that of "Do Better ImageNet Models Transfer Better?" (Kornblith et al., 2019,
    https://arxiv.org/abs/1805.08974), in a quick form: few strengths, standardised features, and
    no second fit on training and validation together.

    Args:
        train_features: float `(train examples, features)`; of more than `MOST_PROBE_EXAMPLES`,
            that many are drawn.
        train_labels: int `(train examples,)`.
        val_features: float `(validation examples, features)`; may be empty.
        val_labels: int `(validation examples,)`.
        test_features: float `(test examples, features)`.
        classes: How many there are.
        seed: Draws the training examples where there are too many.

    Returns:
        Probabilities float64 `(test examples, classes)`, and `C`, `validation_accuracy` (None
        without validation examples), `train_count`, and `converged` (False when the solver
        stopped at its limit of steps).

    Raises:
        DataError: The training split holds one class only.
    """
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(train_labels)) < 2:
        raise DataError(
            "A linear probe needs two classes or more in the training split. "
            f"Received: {len(np.unique(train_labels))}"
        )
    features, labels = _at_most(train_features, train_labels, MOST_PROBE_EXAMPLES, seed)
    scaler = StandardScaler().fit(features)
    candidates = _fit_each_strength(
        scaler.transform(features), labels, PROBE_STRENGTHS if len(val_labels) else [USUAL_STRENGTH]
    )
    chosen, validation_accuracy = candidates[0], None
    if len(val_labels):
        val_scaled = scaler.transform(val_features)
        scores = [
            _worth(_probabilities(one, val_scaled, classes), val_labels) for one in candidates
        ]
        best = max(range(len(scores)), key=lambda i: (*scores[i], -i))
        chosen, validation_accuracy = candidates[best], scores[best][0]
    probabilities = _probabilities(chosen, scaler.transform(test_features), classes)
    return probabilities, {
        "C": float(chosen.C),
        "validation_accuracy": validation_accuracy,
        "train_count": len(labels),
        "converged": bool((chosen.n_iter_ < MOST_PROBE_STEPS).all()),
    }


def _worth(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Accuracy, and the mean log likelihood."""
    likelihood = probabilities[np.arange(len(labels)), labels]
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    return accuracy, float(np.log(np.maximum(likelihood, SMALLEST_PROBABILITY)).mean())


def _fit_each_strength(
    features: np.ndarray, labels: np.ndarray, strengths: Sequence[float]
) -> list[LogisticRegression]:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # Reported as `converged`: a baseline a little short of its optimum still serves.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return [
            LogisticRegression(C=strength, max_iter=MOST_PROBE_STEPS).fit(features, labels)
            for strength in strengths
        ]


def _probabilities(model: LogisticRegression, features: np.ndarray, classes: int) -> np.ndarray:
    """float64 `(examples, classes)`; a class that training never saw gets 0."""
    probabilities = np.zeros((len(features), classes))
    probabilities[:, model.classes_] = model.predict_proba(features)
    return probabilities


def _at_most(
    features: np.ndarray, labels: np.ndarray, most: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Stratified draw, so that a rare class is not drawn away."""
    if len(labels) <= most:
        return features, labels
    order = np.random.default_rng(seed).permutation(len(labels))
    # Position of each example within its own class, in shuffled order, as a fraction of the class.
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members)) / len(members)
    kept = np.sort(np.argsort(rank, kind="stable")[:most])
    return features[kept], labels[kept]
