"""KerasTuner's oracles, with defaults first, whole files, and an end by the clock."""

from __future__ import annotations

import itertools
import time
import warnings
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner import oracles
from scipy.linalg import solve_triangular
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor

from kfine.runs.files import write_json

_MAX_STEPS = 10_000


class _Careful:
    """What kfine changes in every oracle.

    - The first trial has the defaults: a search never ends below them for want of trying.
    - State is written whole or not at all, so that a killed search can be reloaded.
    - No trial begins that would not end in time.
    - Failures are counted by whoever runs the trials, who knows their reasons.
    """

    deadline: float | None = None
    slowest: float = 0.0
    max_trials: int | None
    trials: dict[str, Any]
    hyperparameters: Any

    def create_trial(self, tuner_id: str) -> Any:
        """As KerasTuner's, but nothing new after the deadline."""
        limit = self.max_trials
        if self.deadline is not None and time.time() + self.slowest > self.deadline:
            # What is under way or waits to be retried is finished all the same.
            self.max_trials = max(1, len(self.trials))
        try:
            return super().create_trial(tuner_id)  # type: ignore[misc]
        finally:
            self.max_trials = limit

    def _random_values(self) -> Any:
        if not self.trials:
            hp = self.hyperparameters
            return {one.name: one.default for one in hp.space if hp.is_active(one)}
        return super()._random_values()  # type: ignore[misc]

    def save(self) -> None:
        """Write the state whole or not at all."""
        write_json(Path(self._get_oracle_fname()), self.get_state())  # type: ignore[attr-defined]

    def _save_trial(self, trial: Any) -> None:
        folder = Path(self._get_trial_dir(trial.trial_id))  # type: ignore[attr-defined]
        write_json(folder / "trial.json", trial.get_state())

    def _check_consecutive_failures(self) -> None: ...


class RandomOracle(_Careful, oracles.RandomSearchOracle):
    """Random values."""


class Regressor(GaussianProcessRegressor):
    """scikit-learn's, which answers without checking again what it is asked about.

    KerasTuner asks some 4,000 times before each trial, one point at a time; three quarters of that
    second went into checks. The mathematics is that of Rasmussen and Williams, "Gaussian Processes
    for Machine Learning" (2006), algorithm 2.1, as in `GaussianProcessRegressor.predict`.
    """

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """As scikit-learn's; quick where it is fitted and asked for deviations."""
        if not return_std or not hasattr(self, "X_train_"):
            return super().predict(X, return_std, return_cov)
        near = self.kernel_(X, self.X_train_)
        solved = solve_triangular(self.L_, near.T, lower=True, check_finite=False)
        variance = np.maximum(self.kernel_.diag(X) - (solved**2).sum(0), 0.0)
        means = near @ self.alpha_ * self._y_train_std + self._y_train_mean
        return means, np.sqrt(variance) * self._y_train_std


class BayesianOracle(_Careful, oracles.BayesianOptimizationOracle):
    """A Gaussian process on the trials so far."""

    def _make_gpr(self) -> Regressor:
        return Regressor(**super()._make_gpr().get_params(deep=False))

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """As KerasTuner's, without what scikit-learn says of a fit to few points."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found: dict[str, Any] = super().populate_space(trial_id)
            return found


class HyperbandOracle(_Careful, oracles.HyperbandOracle):
    """Many trials of few epochs, the best of them continued."""


class GridOracle(_Careful, keras_tuner.Oracle):
    """Every combination, the defaults first.

    KerasTuner's own does not keep its place, so it cannot be resumed.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The first combination that was not tried."""
        if not self.trials:
            return {"status": "RUNNING", "values": self._random_values()}
        for values in self._combinations():
            if not self._duplicate(values):
                return {"status": "RUNNING", "values": values}
        return {"status": "STOPPED"}

    def _combinations(self) -> Any:
        space = self.hyperparameters.space
        columns = [_grid_values(one) for one in space]
        for row in itertools.product(*columns):
            hp = keras_tuner.HyperParameters()
            for one, value in zip(space, row, strict=True):
                hp.merge([one])
                if hp.is_active(one):
                    hp.values[one.name] = value
            yield hp.values

    def size(self) -> int:
        """How many combinations there are."""
        return len({self._compute_values_hash(values) for values in self._combinations()})


def _grid_values(hyperparameter: Any) -> list[Any]:
    if hasattr(hyperparameter, "value"):
        return [hyperparameter.value]
    values = list(hyperparameter.values)
    if all(isinstance(one, (int, float)) for one in values):
        values.sort()
    # The defaults belong to the grid: they are the first trial.
    return values if hyperparameter.default in values else [hyperparameter.default, *values]


def make_oracle(
    kind: str,
    *,
    hyperparameters: Any,
    objective: str,
    direction: str,
    trials: int | None,
    epochs: int,
    seed: int,
) -> Any:
    """An oracle by name.

    Args:
        kind: One of `kfine.tuning.plan.ORACLES`.
        hyperparameters: Everything that varies.
        objective: Name of what is optimized.
        direction: `"min"` or `"max"`.
        trials: At most so many; `None` for no limit.
        epochs: Of a whole trial, for Hyperband.
        seed: Of the oracle.
    """
    common = {
        "objective": keras_tuner.Objective(objective, direction),
        "hyperparameters": hyperparameters,
        # KerasTuner takes 0 for no seed.
        "seed": seed + 1,
    }
    if kind == "random":
        return RandomOracle(max_trials=trials or _MAX_STEPS, **common)
    if kind == "grid":
        return GridOracle(max_trials=trials or _MAX_STEPS, **common)
    if kind == "hyperband":
        oracle = HyperbandOracle(max_epochs=epochs, hyperband_iterations=1, **common)
        oracle.max_trials = trials
        return oracle
    dimensions = sum(type(one).__name__ != "Fixed" for one in hyperparameters.space)
    # KerasTuner's own three times the dimensions leave a short search all random.
    first = min(3 * dimensions, max(3, (trials or 3 * dimensions) // 3))
    return BayesianOracle(max_trials=trials or _MAX_STEPS, num_initial_points=first, **common)
