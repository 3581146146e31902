"""A linear model on the features of a frozen backbone, which a tuned model has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kfine.answers.classes.metrics import SMALLEST_PROBABILITY
from kfine.errors import DataError

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import Normalizer, StandardScaler

# Standardised features have a length of the square root of their number, so that the useful end is
# that of strong regularisation; in vectors of length 1 it is the other.
PROBE_STRENGTHS = {
    "standard": (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    "unit length": (0.1, 1.0, 10.0, 100.0, 1000.0),
}
# Where there is nothing to choose on.
_USUAL = "unit length", 10.0
# Up to here every example takes part in the choice, in turns; beyond, a held-out part is enough.
FEW_EXAMPLES, FOLDS = 500, 5
# Beyond this many, more examples change a linear model little and cost minutes and gigabytes.
MOST_PROBE_EXAMPLES = 20_000
MOST_PROBE_STEPS = 300


class _Held(NamedTuple):
    """Numbers of the examples that one choice learns from, and of those that it is judged by."""

    learned: np.ndarray
    held: np.ndarray


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

    The features are standardised, or brought to length 1, as encoders of sentences were trained
    to be compared (Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084). Which of both,
    and the inverse regularisation strength `C`, are those of `PROBE_STRENGTHS` with the highest
    likelihood of held-out examples: in five folds of training and validation together where these
    are 500 or fewer, else of the validation split, or of a fifth of the training split where there
    is none. The model is then fitted on both splits; the test split takes no part. The idea is that
    of "Do Better ImageNet Models Transfer Better?" (Kornblith et al., 2019,
    https://arxiv.org/abs/1805.08974).

    Args:
        train_features: float `(train examples, features)`; of more than `MOST_PROBE_EXAMPLES`,
            that many are drawn.
        train_labels: int `(train examples,)`.
        val_features: float `(validation examples, features)`; may be empty.
        val_labels: int `(validation examples,)`.
        test_features: float `(test examples, features)`.
        classes: How many there are.
        seed: Draws the training examples where there are too many, and the folds.

    Returns:
        Probabilities float64 `(test examples, classes)`, and `C`, `scaling` (a key of
        `PROBE_STRENGTHS`), `held_out_accuracy` (fraction, of the choice; None where there was
        nothing to choose on), `train_count`, and `converged` (False when the solver stopped at its
        limit of steps).

    Raises:
        DataError: The training split holds one class only.
    """
    from threadpoolctl import threadpool_limits

    if len(np.unique(train_labels)) < 2:
        raise DataError(
            "A linear probe needs two classes or more in the training split. "
            f"Received: {len(np.unique(train_labels))}"
        )
    train = _at_most(train_features, train_labels, MOST_PROBE_EXAMPLES, seed)
    validation = _at_most(val_features, val_labels, MOST_PROBE_EXAMPLES, seed)
    features = np.concatenate([train[0], validation[0].reshape(-1, train[0].shape[1])])
    labels = np.concatenate([train[1], validation[1]])
    parts = _held_out(labels, len(train[1]), seed)
    # Threads of BLAS only wait for each other on matrices of this size: 2.6 s are 11 s on two.
    with threadpool_limits(1):
        scaling, strength, accuracy = _choose(features, labels, parts, classes)
        scaler, chosen = _scaler(scaling), _regression()
        _fit(chosen, scaler.fit_transform(features), labels, strength)
    return _probabilities(chosen, scaler.transform(test_features), classes), {
        "C": float(strength),
        "scaling": scaling,
        "held_out_accuracy": accuracy,
        "train_count": len(labels),
        "converged": bool((chosen.n_iter_ < MOST_PROBE_STEPS).all()),
    }


def _held_out(labels: np.ndarray, trained: int, seed: int) -> list[_Held]:
    """What to choose on; the labels of the training split come first."""
    from sklearn.model_selection import StratifiedKFold

    if len(labels) > FEW_EXAMPLES and trained < len(labels):
        return [_Held(np.arange(trained), np.arange(trained, len(labels)))]
    folds = min(FOLDS, int(np.bincount(labels).max()))
    if folds < 2:
        return []
    with _quiet(UserWarning):
        # A class of fewer examples than folds is in some of them only.
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
        found = [_Held(*one) for one in parts]
    found = [one for one in found if len(np.unique(labels[one.learned])) > 1]
    return found if len(labels) <= FEW_EXAMPLES else found[:1]


def _choose(
    features: np.ndarray, labels: np.ndarray, parts: list[_Held], classes: int
) -> tuple[str, float, float | None]:
    """Scaling, strength and accuracy with the highest likelihood of what is held out."""
    best: tuple[str, float, float | None] = (*_USUAL, None)
    if not parts:
        return best
    truth = np.concatenate([labels[held] for _, held in parts])
    worth = -np.inf
    for scaling, strengths in PROBE_STRENGTHS.items():
        found = np.concatenate(
            [_of_strengths(features, labels, part, scaling, strengths, classes) for part in parts],
            axis=1,
        )
        for strength, probabilities in zip(strengths, found, strict=True):
            likelihood = probabilities[np.arange(len(truth)), truth]
            mean = float(np.log(np.maximum(likelihood, SMALLEST_PROBABILITY)).mean())
            if mean > worth:
                accuracy = float((probabilities.argmax(axis=1) == truth).mean())
                best, worth = (scaling, strength, accuracy), mean
    return best


def _of_strengths(
    features: np.ndarray,
    labels: np.ndarray,
    part: _Held,
    scaling: str,
    strengths: Sequence[float],
    classes: int,
) -> np.ndarray:
    """What models of each strength give for what is held out: `(strengths, held, classes)`."""
    scaler = _scaler(scaling)
    learned = scaler.fit_transform(features[part.learned])
    held = scaler.transform(features[part.held])
    # Each goes on from the weaker fit before.
    model = _regression()
    found = []
    for strength in strengths:
        _fit(model, learned, labels[part.learned], strength)
        found.append(_probabilities(model, held, classes))
    return np.stack(found)


def _scaler(scaling: str) -> StandardScaler | Normalizer:
    from sklearn.preprocessing import Normalizer, StandardScaler

    return StandardScaler() if scaling == "standard" else Normalizer()


def _regression() -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=MOST_PROBE_STEPS, warm_start=True)


def _fit(
    model: LogisticRegression, features: np.ndarray, labels: np.ndarray, strength: float
) -> None:
    from sklearn.exceptions import ConvergenceWarning

    model.C = strength
    with _quiet(ConvergenceWarning):
        # Reported as `converged`: a baseline a little short of its optimum still serves.
        model.fit(features, labels)


def _probabilities(model: LogisticRegression, features: np.ndarray, classes: int) -> np.ndarray:
    """float64 `(examples, classes)`; a class that training never saw gets 0."""
    probabilities = np.zeros((len(features), classes))
    probabilities[:, model.classes_] = model.predict_proba(features)
    return probabilities


@contextmanager
def _quiet(category: type[Warning]) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield


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
