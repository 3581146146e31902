"""A linear model on the features of a frozen backbone, which a tuned model has to beat."""

from __future__ import annotations

import numpy as np

from kfine.answers import Learned

# Weak to strong.
STRENGTHS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
# Where there is nothing to choose on.
_USUAL = 100.0


def ridge(
    train: Learned, validation: Learned, spread: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Ridge regression on standardised features, its strength chosen on validation.

    Args:
        train: Features `(rows, features)` and numbers `(rows, numbers)`.
        validation: The same; may be empty.
        spread: `(numbers,)`, what an error of each counts as 1.
        weights: `(rows,)`, how much each row of training counts.

    Returns:
        Kernel `(features, numbers)` and bias `(numbers,)` of the features as they are, float64,
        and the strength.
    """
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train[0])
    features = scaler.transform(train[0])
    best, least = None, np.inf
    for strength in STRENGTHS if len(validation[1]) else (_USUAL,):
        model = Ridge(strength).fit(features, train[1], weights)
        kernel = np.asarray(model.coef_, np.float64).reshape(len(spread), -1).T
        kernel = kernel / scaler.scale_[:, None]
        bias = np.asarray(model.intercept_, np.float64).reshape(-1) - scaler.mean_ @ kernel
        error = 0.0
        if len(validation[1]):
            missed = np.abs(validation[0] @ kernel + bias - validation[1]) / spread
            error = float(missed.mean())
        if error < least:
            best, least = (kernel, bias, strength), error
    assert best is not None
    return best
