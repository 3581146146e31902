"""Every oracle begins with the defaults, can be reloaded, and ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from kfine.tuning.plan import ORACLES

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global keras_tuner, make_oracle

    import keras_tuner

    from kfine.tuning.oracles import make_oracle


def make(kind: str, folder: Path, trials: int | None = 6) -> Any:
    hp = keras_tuner.HyperParameters()
    hp.Choice("size", [1, 2, 3], default=2)
    hp.Choice("kind", ["a", "b"])
    with hp.conditional_scope("kind", ["b"]):
        hp.Choice("rate", [0.1, 0.2, 0.3])
    oracle = make_oracle(
        kind,
        hyperparameters=hp,
        objective="score",
        direction="max",
        trials=trials,
        epochs=9,
        seed=0,
    )
    oracle._set_project_dir(str(folder), "oracle")
    oracle.verbose = 0
    return oracle


def run(oracle: Any, count: int = 100) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        values = trial.hyperparameters.values
        found.append(dict(values))
        oracle.update_trial(trial.trial_id, {"score": values["size"]})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return found


@pytest.mark.parametrize("kind", ORACLES)
def test_the_first_trial_has_the_defaults(kind: str, tmp_path: Path) -> None:
    first = run(make(kind, tmp_path), 1)[0]
    assert {k: v for k, v in first.items() if "/" not in k} == {"size": 2, "kind": "a"}


@pytest.mark.parametrize("kind", ORACLES)
def test_a_search_ends_after_its_trials_and_goes_on_when_reloaded(
    kind: str, tmp_path: Path
) -> None:
    oracle = make(kind, tmp_path)
    tried = run(oracle, 3)
    under_way = oracle.create_trial("tuner0")
    again = make(kind, tmp_path)
    again.reload()
    retried = again.create_trial("tuner0")
    assert retried.trial_id == under_way.trial_id
    assert retried.hyperparameters.values == under_way.hyperparameters.values
    rest = run(again)
    assert len(tried) + len(rest) == 6
    assert len(again.trials) == 6


def test_the_grid_is_every_combination_once(tmp_path: Path) -> None:
    tried = run(make("grid", tmp_path, trials=None))
    assert len(tried) == 3 * (1 + 3)
    assert len({tuple(sorted(one.items())) for one in tried}) == 12


def test_nothing_begins_that_would_not_end_in_time(tmp_path: Path) -> None:
    oracle = make("random", tmp_path, trials=None)
    oracle.deadline = time.time() + 60
    assert len(run(oracle, 2)) == 2
    oracle.slowest = 120
    assert run(oracle) == []


def test_a_bayesian_search_of_twelve_is_not_all_random(tmp_path: Path) -> None:
    assert make("bayesian", tmp_path, trials=12).num_initial_points == 4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_quick_regressor_answers_as_scikit_learns() -> None:
    import numpy as np
    from sklearn.gaussian_process import GaussianProcessRegressor

    from kfine.tuning.oracles import Regressor

    chance = np.random.default_rng(0)
    points, scores = chance.uniform(size=(12, 3)), chance.normal(5, 3, size=12)
    settings: dict[str, Any] = {"normalize_y": True, "alpha": 1e-4, "random_state": 1}
    for ours in (Regressor(**settings), make("bayesian", Path()).gpr.set_params(**settings)):
        theirs = GaussianProcessRegressor(**ours.get_params(deep=False))
        asked = np.concatenate([chance.uniform(size=(40, 3)), points])
        for fitted in (False, True):
            if fitted:
                ours.fit(points, scores)
                theirs.fit(points, scores)
            for found, expected in zip(
                ours.predict(asked, return_std=True),
                theirs.predict(asked, return_std=True),
                strict=True,
            ):
                np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(ours.predict(asked), theirs.predict(asked))
    constant = Regressor(**settings).fit(points, np.ones(12))
    np.testing.assert_allclose(constant.predict(asked, return_std=True)[0], 1.0)
