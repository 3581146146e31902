"""A trial ends early for a reason, and not before its last stage."""

from __future__ import annotations

import time
from typing import Any

from kfine.tuning.pruning import Ending, behind_median

OTHERS = [[0.5, 0.6, 0.9], [0.4, 0.7, 0.7], [0.6, 0.6, 0.8]]


def history(*values: float, stages: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    numbers = stages or (1,) * len(values)
    rows = zip(values, numbers, strict=True)
    return [{"val_accuracy": value, "val_loss": 1.0, "stage": stage} for value, stage in rows]


def ending(**options: Any) -> Ending:
    given = {"others": OTHERS, "budget": 3, "deadline": None, **options}
    return Ending("val_accuracy", "max", **given)


def test_worse_than_the_median_at_the_same_epoch_is_behind() -> None:
    assert behind_median([0.4, 0.55], OTHERS, "max") is not None
    assert behind_median([0.4, 0.6], OTHERS, "max") is None
    assert behind_median([0.65, 0.5], OTHERS, "min") is None
    assert behind_median([0.7, 0.65], OTHERS, "min") is not None


def test_too_few_trials_condemn_nobody() -> None:
    assert behind_median([0.1, 0.1], OTHERS[:2], "max") is None
    assert behind_median([0.1, 0.1], [*OTHERS[:2], []], "max") is None


def test_a_trial_that_was_pruned_counts_with_its_best() -> None:
    # Of the survivors 0.65 would be the last, of all it is in the middle.
    assert behind_median([0.5, 0.65], [*OTHERS, [0.2], [0.1]], "max") is None
    assert behind_median([0.5, 0.55], [*OTHERS, [0.2]], "max") is not None


def test_a_trial_is_not_judged_in_its_first_quarter() -> None:
    one = ending(budget=12)
    assert not one(history(0.1, 0.1))
    assert one(history(0.1, 0.1, 0.1))


def test_a_trial_is_not_judged_before_its_last_stage() -> None:
    one = ending()
    one.last_stage = 1
    assert not one(history(0.1, 0.1, stages=(1, 1)))
    assert one(history(0.1, 0.1, stages=(1, 2)))
    assert one.status == "pruned" and "median of 3 trials is 0.6" in one.reason


def test_a_trial_that_reached_its_last_epoch_is_complete() -> None:
    one = ending()
    assert one(history(0.1, 0.1, 0.1))
    assert (one.status, one.reason) == ("completed", "")


def test_a_loss_that_is_no_number_fails_at_once() -> None:
    one = ending(budget=9)
    assert one([{"val_accuracy": 0.3, "val_loss": float("nan"), "stage": 1}])
    assert one.status == "failed" and "lower learning rate" in one.reason


def test_when_the_time_is_up_the_epoch_is_the_last() -> None:
    one = ending(others=None, deadline=time.time() - 1)
    assert one(history(0.9))
    assert one.status == "cut"
