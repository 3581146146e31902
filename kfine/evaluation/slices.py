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
from kfine.evaluation.fairness import FOUR_FIFTHS, LEAST, fairness
from kfine.statistics import gap_p_value, holm, mean_interval

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
    and corrected for the number of all comparisons (Holm). Columns of numbers are parted into four
    ranges of about equal count.

    Args:
        answer: What is predicted.
        predictions: One for each example.
        labels: The truth of each.
        cells: Column -> what it says of each example, empty where it says nothing.
        sensitive: Columns of which `fairness` tells more.

    Returns:
        For each column: `column`; `slices`, each with `value`, `count`, the primary metric, its
        95 % `interval`, the `difference` to the others and the `p_value` of that; `too_few`, slices
        under `LEAST` examples, and `unstated`, how many examples have no value; `fairness` of a
        sensitive column whose answer chooses among names; and `words`.
    """
    score = answer.score(predictions, labels)
    found: list[dict[str, Any]] = []
    # By what is compared, for two slices are compared once.
    tested: dict[frozenset[bytes], float] = {}
    compared: list[tuple[dict[str, Any], frozenset[bytes]]] = []
    for column, values in cells.items():
        named, unstated = _sliced(values)
        rows: list[dict[str, Any]] = []
        too_few: list[dict[str, Any]] = []
        stated = np.concatenate([*named.values(), np.empty(0, np.intp)]).astype(np.intp)
        for value, members in named.items():
            count = len(members)
            part = _part(answer, predictions, labels, members) if count >= LEAST else None
            if part is None or len(rows) == MOST:
                too_few.append({"value": value, "count": count})
                continue
            row: dict[str, Any] = {
                "value": value,
                "count": count,
                answer.primary: part.metrics[answer.primary],
            }
            row["interval"] = _interval(part, answer)
            rows.append(row)
            others = np.setdiff1d(stated, members)
            rest = _part(answer, predictions, labels, others) if len(others) >= LEAST else None
            if rest is not None:
                row["difference"] = row[answer.primary] - rest.metrics[answer.primary]
                pair = frozenset({members.tobytes(), others.tobytes()})
                compared.append((row, pair))
                if pair not in tested:
                    tested[pair] = _p_value(score, members, others)
        one: dict[str, Any] = {
            "column": column,
            "slices": rows,
            "too_few": too_few,
            "unstated": unstated,
        }
        if column in sensitive:
            scored = {row["value"]: named[row["value"]] for row in rows}
            one["fairness"] = fairness(answer, predictions, labels, scored)
        found.append(one)
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    for row, pair in compared:
        row["p_value"] = corrected[pair]
    for one in found:
        one["words"] = _words(one, answer, score, len(tested), one["column"] in sensitive)
    return found


def _sliced(values: Sequence[str]) -> tuple[dict[str, np.ndarray], int]:
    """Values with the numbers of their examples, the largest first; ranges in their order."""
    cells = np.array([one.strip() for one in values])
    filled = np.flatnonzero(cells != "")
    numbers = _numbers(cells[filled].tolist())
    unstated = len(cells) - len(filled)
    if numbers is not None and len(np.unique(numbers)) > _MOST_NUMBERS:
        inner = np.unique(np.quantile(numbers, np.arange(1, _PARTS) / _PARTS, method="higher"))
        part = np.searchsorted(inner, numbers, side="right")
        spans = {}
        for number in np.unique(part):
            inside = part == number
            span = f"{numbers[inside].min():g} to {numbers[inside].max():g}"
            spans[span] = filled[inside]
        return spans, unstated
    counted = Counter(cells[filled].tolist())
    ordered = sorted(counted, key=lambda one: (-counted[one], one))
    return {one: np.flatnonzero(cells == one) for one in ordered}, unstated


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


def _interval(score: Score, answer: Answer) -> list[float] | None:
    """Of the primary metric; `None` where that is not the mean and cannot be drawn anew."""
    mean = float(score.each.mean())
    if score.resample is None and not math.isclose(mean, score.metrics[answer.primary]):
        return None
    return list(mean_interval(score.each, score.resample))


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
    if not rows:
        return [f"{column}: no value has the {LEAST} examples that a score needs"]
    compared = [one for one in rows if "p_value" in one]
    if not compared:
        return [f"{column}: all examples with a score are {rows[0]['value']}: nothing to compare"]
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
    if not words:
        words.append(f"{column}: no slice differs from the others by more than chance")
    least = min(compared, key=lambda one: int(one["count"]))
    others = sum(one["count"] for one in rows) - least["count"]
    if others > 0:
        spread = float(score.each.std()) or math.sqrt(1 / (len(score.each) + 2))
        seen = 2.8 * spread * math.sqrt(1 / least["count"] + 1 / others)
        words.append(
            f"{column} {least['value']} has {least['count']} examples: a gap of less than "
            f"{min(1.0, seen):.0%} of what is right would hardly show there"
        )
    if found["too_few"]:
        named = ", ".join(f"{one['value']} ({one['count']})" for one in found["too_few"][:5])
        more = len(found["too_few"]) - 5
        named += f" and {more} more" if more > 0 else ""
        words.append(f"{column}, too few examples or too many values to be scored: {named}")
    if found["unstated"]:
        words.append(f"{column}: {found['unstated']} examples have no value")
    if sensitive:
        words += _fairness_words(column, found.get("fairness"))
    return words


def _fairness_words(column: str, found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return [f"{column}: four fifths and equalised odds need classes or labels, and two slices"]
    words, chance = [], []
    for name, one in found.items():
        if one["ratio"] is None or one["ratio"] > FOUR_FIFTHS - 1e-9:
            continue
        if one["interval"][1] >= FOUR_FIFTHS:
            chance.append(name)
            continue
        words.append(
            f"{column}: {name} is given to {one['rates'][one['least']]:.1%} of {one['least']} "
            f"and {one['rates'][one['most']]:.1%} of {one['most']}, {one['ratio']:.2f} of it "
            f"({one['interval'][0]:.2f} to {one['interval'][1]:.2f}): below four fifths"
        )
    if chance:
        words.append(f"{column}: below four fifths, which may be chance: {', '.join(chance)}")
    if not words:
        words.append(f"{column}: four fifths are kept for every name that is given")
    gaps = {name: one["odds"] for name, one in found.items() if one["odds"] is not None}
    if gaps:
        widest = max(gaps, key=lambda one: gaps[one])
        words.append(
            f"{column}: equalised odds are furthest apart for {widest}, by {gaps[widest]:.3f} "
            "(of the share found where it is so, or given where it is not)"
        )
    return words
