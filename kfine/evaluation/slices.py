"""Scores by what a column says of examples: gaps between slices, and how sure they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kfine.answers import Answer
from kfine.answers.score import Score
from kfine.errors import DataError
from kfine.evaluation.curve import primary_interval
from kfine.evaluation.fairness import FOUR_FIFTHS, LEAST, fairness
from kfine.statistics import gap_p_value, holm, right_or_wrong

# Of more values the largest are scored.
MOST = 20
# Numbers of more different values are parted into ranges.
_MOST_NUMBERS, _PARTS = 12, 4


def by_columns(
    answer: Answer,
    predictions: Sequence[Any],
    labels: Sequence[Any],
    cells: Mapping[str, Sequence[str]],
    sensitive: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Scores of the slices of examples that columns tell apart.

    Each slice is compared with all others that have a value in the column; p values are two-sided
    and corrected for the number of all comparisons (Holm). Numbers are parted into ranges.

    Args:
        answer: What is predicted.
        predictions: One for each example.
        labels: The truth of each.
        cells: Column -> what it says of each example, empty where it says nothing.
        sensitive: Columns of which `fairness` tells more.

    Returns:
        For each column: `column`; `slices`, each with `value`, `count`, the primary metric, its
        95 % `interval`, the `difference` to the `others`, of which there are so many, and the
        `p_value` of that; `too_few`, slices under `LEAST` examples, and `unstated`, how many
        examples have no value; `fairness` of a sensitive column whose answer chooses among names;
        and `words`.
    """
    score = answer.score(predictions, labels)
    found: list[dict[str, Any]] = []
    # By what is compared, for two slices are compared once.
    tested: dict[frozenset[bytes], float] = {}
    compared: list[tuple[dict[str, Any], frozenset[bytes]]] = []
    for column, values in cells.items():
        named, unstated = _sliced(values)
        scored, too_few = _scored(answer, predictions, labels, named)
        stated = np.concatenate([*named.values(), np.empty(0, np.intp)]).astype(np.intp)
        for row in scored:
            members = named[row["value"]]
            others = np.setdiff1d(stated, members)
            rest = _part(answer, predictions, labels, others) if len(others) >= LEAST else None
            if rest is None:
                continue
            row["others"] = len(others)
            row["difference"] = row[answer.primary] - rest.metrics[answer.primary]
            pair = frozenset({members.tobytes(), others.tobytes()})
            compared.append((row, pair))
            if pair not in tested:
                tested[pair] = _p_value(score, members, others)
        one = {"column": column, "slices": scored, "too_few": too_few, "unstated": unstated}
        if column in sensitive:
            groups = {row["value"]: named[row["value"]] for row in scored}
            one["fairness"] = fairness(answer, predictions, labels, groups)
        found.append(one)
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    for row, pair in compared:
        row["p_value"] = corrected[pair]
    for one in found:
        one["words"] = _words(one, answer, score, len(tested), one["column"] in sensitive)
    return found


def _scored(
    answer: Answer,
    predictions: Sequence[Any],
    labels: Sequence[Any],
    named: Mapping[str, np.ndarray],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Slices with their scores, and those that have none."""
    rows: list[dict[str, Any]] = []
    too_few: list[dict[str, Any]] = []
    for value, members in named.items():
        row: dict[str, Any] = {"value": value, "count": len(members)}
        enough = len(members) >= LEAST and len(rows) < MOST
        part = _part(answer, predictions, labels, members) if enough else None
        if part is None:
            too_few.append(row)
            continue
        row[answer.primary] = part.metrics[answer.primary]
        row["interval"] = primary_interval(part, answer.primary)
        rows.append(row)
    return rows, too_few


def _sliced(values: Sequence[str]) -> tuple[dict[str, np.ndarray], int]:
    """Values with the numbers of their examples, the largest first; ranges in their order."""
    cells = np.array([one.strip() for one in values])
    filled = np.flatnonzero(cells != "")
    numbers = _numbers(cells[filled].tolist())
    unstated = len(cells) - len(filled)
    if numbers is not None and len(np.unique(numbers)) > _MOST_NUMBERS:
        return _ranges(numbers, filled), unstated
    counted = Counter(cells[filled].tolist())
    ordered = sorted(counted, key=lambda one: (-counted[one], one))
    return {one: np.flatnonzero(cells == one) for one in ordered}, unstated


def _ranges(numbers: np.ndarray, filled: np.ndarray) -> dict[str, np.ndarray]:
    """Up to four ranges of about equal count; a value that is as frequent stands by itself."""
    found, counts = np.unique(numbers, return_counts=True)
    frequent = found[counts >= len(numbers) / _PARTS]
    part = np.full(len(numbers), -1)
    rest = ~np.isin(numbers, frequent)
    if rest.any():
        count = max(1, _PARTS - len(frequent))
        inner = np.quantile(numbers[rest], np.arange(1, count) / count, method="higher")
        part[rest] = np.searchsorted(np.unique(inner), numbers[rest], side="right")
    parts = [numbers == value for value in frequent]
    parts += [part == number for number in np.unique(part[rest])]
    parts.sort(key=lambda inside: float(numbers[inside].min()))
    ends = [(float(numbers[one].min()), float(numbers[one].max())) for one in parts]
    # As few digits as keep all ends apart.
    digits = next(
        count
        for count in range(6, 18)
        if len({f"{end:.{count}g}" for pair in ends for end in pair})
        == len({end for pair in ends for end in pair})
    )
    names = [
        f"{low:.{digits}g}" if low == high else f"{low:.{digits}g} to {high:.{digits}g}"
        for low, high in ends
    ]
    return {name: filled[inside] for name, inside in zip(names, parts, strict=True)}


def _numbers(cells: Sequence[str]) -> np.ndarray | None:
    try:
        found = np.array([float(one) for one in cells])
    except ValueError:
        return None
    return found if np.isfinite(found).all() else None


def _part(
    answer: Answer, predictions: Sequence[Any], labels: Sequence[Any], members: np.ndarray
) -> Score | None:
    """The score of some examples; `None` where they have nothing to score."""
    numbers = members.tolist()
    try:
        found = answer.score([predictions[i] for i in numbers], [labels[i] for i in numbers])
    except DataError:
        return None
    return found if np.isfinite(found.metrics[answer.primary]) else None


def _p_value(score: Score, members: np.ndarray, others: np.ndarray) -> float:
    both = np.concatenate([members, others])
    inside = np.arange(len(both)) < len(members)
    resample = score.resample
    metric = None if resample is None else (lambda numbers: resample(both[numbers]))
    return gap_p_value(score.each[both], inside, metric)


def _words(
    found: Mapping[str, Any], answer: Answer, score: Score, tests: int, sensitive: bool
) -> list[str]:
    """What the figures of a column say, and what they cannot."""
    column, rows = found["column"], found["slices"]
    compared = [one for one in rows if "p_value" in one]
    words = []
    if compared:
        words = _gaps(column, compared, answer, tests)
        words += _seen(column, compared, score, tests)
    elif rows:
        words.append(f"{column}: only {rows[0]['value']} has enough examples: nothing to compare")
    elif found["too_few"]:
        words.append(f"{column}: no value has the {LEAST} examples that a score needs")
    else:
        words.append(f"{column} is empty for all examples that were scored")
    if found["too_few"]:
        named = ", ".join(f"{one['value']} ({one['count']})" for one in found["too_few"][:5])
        more = len(found["too_few"]) - 5
        named += f" and {more} more" if more > 0 else ""
        words.append(f"{column}, too few examples or too many values to be scored: {named}")
    if found["unstated"] and (rows or found["too_few"]):
        words.append(f"{column}: {found['unstated']} examples have no value")
    if sensitive:
        words += _fairness_words(column, found.get("fairness"))
    return words


def _gaps(
    column: str, compared: Sequence[Mapping[str, Any]], answer: Answer, tests: int
) -> list[str]:
    primary = answer.primary.replace("_", " ")
    sign = 1 if answer.direction == "max" else -1
    words = []
    for one in sorted(compared, key=lambda one: float(one["p_value"])):
        if one["p_value"] > 0.05:
            break
        word = "better" if sign * one["difference"] > 0 else "worse"
        words.append(
            f"{column} {one['value']}: {primary} {one[answer.primary]:.3f} on {one['count']} "
            f"examples, {word} than the others by {abs(one['difference']):.3f} (p = "
            f"{one['p_value']:.2g}, corrected for {tests} comparisons)"
        )
    return words or [f"{column}: no slice differs from the others by more than chance"]


def _seen(
    column: str, compared: Sequence[Mapping[str, Any]], score: Score, tests: int
) -> list[str]:
    """How large a gap of the smallest slice must be to be found four times in five."""
    if score.resample is not None or not right_or_wrong(score.each):
        return []
    from scipy.stats import norm

    least = min(compared, key=lambda one: int(one["count"]))
    count, others = least["count"], least["others"]
    right = (score.each.sum() + 1) / (len(score.each) + 2)
    limit = float(norm.ppf(1 - 0.025 / tests))
    # The exact test asks for more than the normal one: half an example of each side.
    gap, half = 0.0, 0.5 / count + 0.5 / others
    for _ in range(50):
        below = min(max(right - gap, 0.0), 1.0)
        mean = (count * below + others * right) / (count + others)
        alike = math.sqrt(mean * (1 - mean) * (1 / count + 1 / others))
        apart = math.sqrt(below * (1 - below) / count + right * (1 - right) / others)
        gap = limit * alike + float(norm.ppf(0.8)) * apart + half
    if gap >= right:
        return [f"{column} {least['value']} has {count} examples: hardly any gap would show there"]
    return [
        f"{column} {least['value']} has {count} examples: that it gets {gap:.0%} fewer right would "
        "be found four times in five, and a smaller gap less often"
    ]


def _fairness_words(column: str, found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return [f"{column}: four fifths and equalised odds need classes or labels, and two slices"]
    words, chance = [], []
    for name, one in found.items():
        if one["ratio"] is None or one["ratio"] > FOUR_FIFTHS - 1e-9:
            continue
        if one["p_value"] > 0.05:
            chance.append(f"{name} ({one['ratio']:.2f})")
            continue
        words.append(
            f"{column}: {name} is given to {one['rates'][one['least']]:.1%} of {one['least']} "
            f"and {one['rates'][one['most']]:.1%} of {one['most']}, {one['ratio']:.2f} of it, "
            f"below four fifths and more than chance (p = {one['p_value']:.2g})"
        )
    if chance:
        words.append(f"{column}: below four fifths, which may be chance: {', '.join(chance)}")
    if not words:
        words.append(f"{column}: four fifths are kept for every name that is given")
    gaps = {name: one["odds"] for name, one in found.items() if one["odds"]}
    if gaps:
        widest = max(gaps, key=lambda one: gaps[one])
        words.append(
            f"{column}: equalised odds: recall or false positives of slices are at most "
            f"{gaps[widest]:.3f} apart, for {widest}; no test says whether that is chance"
        )
    return words
