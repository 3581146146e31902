"""Several objectives at once: the trials that no other one beats in all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kfine.tuning.records import TrialRecord


def pareto_front(records: Sequence[TrialRecord], goals: Mapping[str, str]) -> list[TrialRecord]:
    """The trials for which no other is at least as good in every objective and better in one.

    Args:
        records: Trials; those without a score are left out.
        goals: Objectives with their directions, `"min"` or `"max"`.

    Returns:
        Sorted by the first objective, the best first; of equal ones the first.
    """
    scored = [one for one in records if one.scored]
    costs = [
        tuple(-one.scores[g] if d == "max" else one.scores[g] for g, d in goals.items())
        for one in scored
    ]
    front = [
        (cost, position)
        for position, cost in enumerate(costs)
        if not any(_beats(other, cost) for other in costs) and cost not in costs[:position]
    ]
    return [scored[position] for _, position in sorted(front)]


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
