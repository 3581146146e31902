"""A linear model on the features of a frozen backbone, which a tuned model has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kfine.answers.classes.metrics import SMALLEST_PROBABILITY
from kfine.errors import DataError

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import Normalizer, StandardScaler

# Standardised features have a length of the square root of their number, so that the useful end is
# that of strong regularisation; in vectors of about length 1 it is the other.
_OF_LENGTH_ONE = (0.1, 1.0, 10.0, 100.0, 1000.0)
PROBE_STRENGTHS = {
    "standard": (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    "centred": _OF_LENGTH_ONE,
    "unit length": _OF_LENGTH_ONE,
}
# Where there is nothing to choose on.
_USUAL = {"standard": 1e-2, "centred": 10.0, "unit length": 10.0}
# Features whose lengths differ by less, as a fraction, lie on a sphere.
_ONE_LENGTH = 1e-3
# How far the logit of a class that training never saw lies below that of all others.
_NEVER_SEEN = 10.0
# Up to here every example takes part in the choice, in turns; beyond, a held-out part is enough.
FEW_EXAMPLES, FOLDS = 500, 5
# Beyond this many, more examples change a linear model little and cost minutes and gigabytes.
MOST_PROBE_EXAMPLES = 20_000
MOST_PROBE_STEPS = 300


@dataclass(frozen=True)
class LinearProbe:
    """A logistic regression on features.

    Attributes:
        kernel: float64 `(features, classes)`.
        bias: float64 `(classes,)`.
        unit: Whether the features are brought to length 1 first.
        facts: `C`, `scaling` (a key of `PROBE_STRENGTHS`), `held_out_accuracy` (fraction, of the
            choice; None where there was nothing to choose on), `train_count`, and `converged`
            (False when the solver stopped at its limit of steps).
    """

    kernel: np.ndarray
    bias: np.ndarray
    unit: bool
    facts: dict[str, Any]

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float64 `(examples, classes)` of features `(examples, features)`."""
        from scipy.special import softmax
        from sklearn.preprocessing import normalize

        features = normalize(features) if self.unit else features
        found: np.ndarray = softmax(features @ self.kernel + self.bias, axis=1)
        return found


class _Held(NamedTuple):
    """Numbers of the examples that one choice learns from, and of those that it is judged by."""

    learned: np.ndarray
    held: np.ndarray


def linear_probe(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    val_features: np.ndarray,
    val_labels: np.ndarray,
    *,
    classes: int,
    seed: int,
    start: bool = False,
    weights: np.ndarray | None = None,
) -> LinearProbe:
    """Fit a logistic regression on the features of the frozen backbone.

    The features are standardised; or centred and divided by one number, so that what varies little
    stays small, which few examples judge wrongly; or brought to length 1, as encoders of sentences
    were trained to be compared (Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084).
    Which of them, and the inverse regularisation strength `C`, are those of `PROBE_STRENGTHS` with
    the highest likelihood of held-out examples: in five folds of training and validation together
    where these are 500 or fewer, else of the validation split, or of a fifth of the training split
    where there is none. The model is then fitted on both splits; the test split takes no part. The
    idea is that of "Do Better ImageNet Models Transfer Better?" (Kornblith et al., 2019,
    https://arxiv.org/abs/1805.08974).

    Args:
        train_features: float `(train examples, features)`; of more than `MOST_PROBE_EXAMPLES`,
            that many are drawn.
        train_labels: int `(train examples,)`.
        val_features: float `(validation examples, features)`; may be empty.
        val_labels: int `(validation examples,)`.
        classes: How many there are.
        seed: Draws the training examples where there are too many, and the folds.
        start: Whether this is where the head of a model starts: it is fitted on the training split
            alone, and is linear in the features as they are.
        weights: float `(train examples,)`, how much each counts where the head starts.

    Raises:
        DataError: The training split holds one class only.
    """
    from threadpoolctl import threadpool_limits

    if len(np.unique(train_labels)) < 2:
        raise DataError(
            "A linear probe needs two classes or more in the training split. "
            f"Received: {len(np.unique(train_labels))}"
        )
    rows = _at_most(train_labels, MOST_PROBE_EXAMPLES, seed)
    held = _at_most(val_labels, MOST_PROBE_EXAMPLES, seed)
    width = train_features.shape[1]
    features = np.concatenate([train_features[rows], val_features[held].reshape(-1, width)])
    labels = np.concatenate([train_labels[rows], val_labels[held]])
    parts = _held_out(labels, len(rows), seed)
    learned = slice(len(rows)) if start else slice(None)
    weights = None if weights is None else weights[rows]
    scalings = list(PROBE_STRENGTHS)
    if start and not _of_one_length(features):
        scalings = [one for one in scalings if one != "unit length"]
    # Threads of BLAS only wait for each other on matrices of this size: 2.6 s are 11 s on two.
    with threadpool_limits(1):
        scaling, strength, accuracy = _choose(features, labels, parts, classes, scalings)
        scaler, chosen = _scaler(scaling), _regression()
        scaled = scaler.fit_transform(features[learned])
        _fit(chosen, scaled, labels[learned], strength, weights)
    kernel, bias = _weights(chosen, classes)
    unit = scaling == "unit length"
    if not unit:
        kernel = kernel / scaler.scale_[:, None]
        bias = bias - scaler.mean_ @ kernel
    elif start:
        kernel, unit = kernel / np.linalg.norm(features[0]), False
    facts = {
        "C": float(strength),
        "scaling": scaling,
        "held_out_accuracy": accuracy,
        "train_count": len(labels[learned]),
        "converged": bool((chosen.n_iter_ < MOST_PROBE_STEPS).all()),
    }
    return LinearProbe(kernel, bias, unit, facts)


def _of_one_length(features: np.ndarray) -> bool:
    lengths = np.linalg.norm(features, axis=1)
    return bool(lengths.max() - lengths.min() <= _ONE_LENGTH * lengths.max())


def _weights(model: LogisticRegression, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel `(features, classes)` and bias `(classes,)` of logits, in float64.

    A class that training never saw is made improbable.
    """
    coef, bias = model.coef_, model.intercept_
    if len(coef) == 1:  # of two classes there are the differences
        coef, bias = np.concatenate([-coef, coef]) / 2, np.concatenate([-bias, bias]) / 2
    kernel = np.zeros((coef.shape[1], classes))
    kernel[:, model.classes_] = coef.T
    whole = np.full(classes, bias.min() - _NEVER_SEEN)
    whole[model.classes_] = bias
    return kernel, whole


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
    features: np.ndarray,
    labels: np.ndarray,
    parts: list[_Held],
    classes: int,
    scalings: Sequence[str],
) -> tuple[str, float, float | None]:
    """Scaling, strength and accuracy with the highest likelihood of what is held out."""
    best: tuple[str, float, float | None] = (scalings[-1], _USUAL[scalings[-1]], None)
    if not parts:
        return best
    truth = np.concatenate([labels[held] for _, held in parts])
    worth = -np.inf
    for scaling in scalings:
        strengths = PROBE_STRENGTHS[scaling]
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


class _Centring:
    """Takes the mean away, and brings examples to length 1 in the mean of their squares."""

    mean_: np.ndarray
    scale_: np.ndarray

    def fit_transform(self, features: np.ndarray) -> np.ndarray:
        """Features `(examples, features)` scaled by what they are themselves."""
        self.mean_ = features.mean(axis=0)
        length = float(np.sqrt(((features - self.mean_) ** 2).sum(axis=1).mean()))
        self.scale_ = np.full(len(self.mean_), length or 1.0)
        return self.transform(features)

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Others, scaled as those were."""
        return (features - self.mean_) / self.scale_


def _scaler(scaling: str) -> StandardScaler | Normalizer | _Centring:
    from sklearn.preprocessing import Normalizer, StandardScaler

    if scaling == "centred":
        return _Centring()
    return StandardScaler() if scaling == "standard" else Normalizer()


def _regression() -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=MOST_PROBE_STEPS, warm_start=True)


def _fit(
    model: LogisticRegression,
    features: np.ndarray,
    labels: np.ndarray,
    strength: float,
    weights: np.ndarray | None = None,
) -> None:
    from sklearn.exceptions import ConvergenceWarning

    model.C = strength
    with _quiet(ConvergenceWarning):
        # Reported as `converged`: a baseline a little short of its optimum still serves.
        model.fit(features, labels, weights)


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


def _at_most(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Numbers of examples, drawn so that a rare class is not drawn away."""
    if len(labels) <= most:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    # Position of each example within its own class, in shuffled order, as a fraction of the class.
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members)) / len(members)
    return np.sort(np.argsort(rank, kind="stable")[:most])
