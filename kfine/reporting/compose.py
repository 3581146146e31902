"""What a report says, from the files of a run; JSON-able."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kfine.console import format_bytes
from kfine.examination.sentences import classes
from kfine.statistics import surely_above

MOST_SHOWN = 12
_CELLS, _OF_CELL = 8, 6
_DARK = (31, 95, 168)
_BASELINES = {
    "linear_probe": "linear probe (frozen backbone)",
    "head_alone": "head alone (frozen backbone)",
    "majority": "majority class",
}
_OVER = {
    "linear_probe": "a linear model of the untouched backbone",
    "head_alone": "a head alone on the untouched backbone",
    "untuned": "the untuned model",
}


def verdict(metrics: Mapping[str, Any], exports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Three sentences for somebody who decides: how good, better than what, and which file."""
    primary, count = metrics["primary"], metrics["count"]
    value, interval = metrics[primary], metrics.get(f"{primary}_interval")
    words = primary.replace("_", " ")
    if primary == "accuracy":
        first = f"Of {count} test examples that it never saw, the model gets {value:.1%} right"
    else:
        first = f"On {count} test examples that it never saw, the model has {words} {value:.3f}"
    if interval:
        first += f"; with so many examples it may be {interval[0]:.1%} to {interval[1]:.1%}"
    found = [f"{first}."]
    gain = metrics.get("gain")
    if gain:
        over, difference = _OVER[gain["over"]], gain["difference"]
        if surely_above(gain["p_value"], gain["interval"]):
            found.append(f"It is better than {over}, by {difference:.3f} and more than chance.")
        elif gain["interval"][1] < 0:
            found.append(f"It is worse than {over}, by {-difference:.3f}: do not use it.")
        elif abs(difference) < 5e-4:
            found.append(f"That is as much as {over} reaches, as far as these examples tell.")
        else:
            more = "more" if difference >= 0 else "less"
            found.append(
                f"That is {abs(difference):.3f} {more} than {over} reaches, which may be "
                "chance: as far as these examples tell, that is as good."
            )
    passed = [one for one in exports if one["verdict"]["passed"]]
    if passed:
        best = min(passed, key=lambda one: one["size_bytes"])
        found.append(
            f"The exported file {Path(best['path']).name} ({format_bytes(best['size_bytes'])}) is "
            "as good as the model, measured on the file itself."
        )
    elif exports:
        found.append("No exported file was as good as the model; the gate refused them.")
    else:
        found.append("No file for a device was exported yet.")
    return found


def compared(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics that the model and its baselines have, the primary one first."""
    models = {"fine-tuned": metrics, **metrics.get("baselines", {})}
    names = [
        name
        for name, value in metrics.items()
        if isinstance(value, float) and all(name in one for one in models.values())
    ]
    names.sort(key=lambda one: one != metrics["primary"])
    rows = []
    for name, values in models.items():
        interval = values.get(f"{metrics['primary']}_interval")
        between = "{:.3f} to {:.3f}".format(*interval) if interval else None
        shown = _BASELINES.get(name, name.replace("_", " "))
        rows.append([shown, *(values[one] for one in names), between])
    headings = ["", *map(_title, names), "95 % interval"]
    if not any(row[-1] for row in rows):
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return {"headings": headings, "rows": rows}


def per_class(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Figures by class, label, tag or column; `None` where there are none."""
    for key, parts in metrics.items():
        if key.startswith("per_") and isinstance(parts, dict) and parts:
            names = list(dict.fromkeys(name for one in parts.values() for name in one))
            rows = [[name, *(one.get(key) for key in names)] for name, one in parts.items()]
            counted = metrics.get("counted_in", "examples")
            titles = [counted if one == "support" else _title(one) for one in names]
            return {"headings": [key.removeprefix("per_"), *titles], "rows": rows}
    return None


def slices(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Figures by what columns tell apart, and what they say."""
    primary = metrics["primary"]
    found = []
    for one in metrics.get("slices", ()):
        rows = []
        for row in one["slices"]:
            between = "{:.3f} to {:.3f}".format(*row["interval"]) if row["interval"] else None
            rows.append([row["value"], row["count"], row[primary], between, row.get("p_value")])
        headings = [one["column"], "examples", _title(primary), "95 % interval", "p"]
        rates = one.get("fairness") or {}
        found.append(
            {
                "column": one["column"],
                "headings": headings,
                "rows": rows,
                "words": one["words"],
                "given": {
                    "headings": ["given to", *(row["value"] for row in one["slices"])],
                    "rows": [[name, *given["rates"].values()] for name, given in rates.items()],
                },
            }
        )
    return found


def stressed(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The primary metric on changed examples, by strength; `None` where none were tried."""
    if found is None:
        return None
    primary = found["primary"]
    rows = [
        [
            one["name"],
            *(step[primary] for step in one["steps"]),
            f"{', '.join(str(step['value']) for step in one['steps'])} {one['unit']}",
        ]
        for one in found["changes"]
    ]
    return {
        "headings": ["change", "weak", "middle", "strong", "that is"],
        "rows": rows,
        "unchanged": found["unchanged"],
        "count": found["count"],
        "metric": _title(primary),
        "words": [
            f"{line[:1].upper()}{line[1:]}."
            for line in (found["fear"], (found.get("base") or {}).get("words"))
            if line
        ],
    }


def confusion(metrics: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any] | None:
    """The confusion matrix with a colour for each cell; `None` where there is none."""
    matrix = metrics.get("confusion_matrix")
    if not matrix or len(matrix) != len(names):
        return None
    cells = [[_cell(count, count / max(1, sum(row))) for count in row] for row in matrix]
    return {"names": list(names), "cells": cells}


def _cell(count: int, share: float) -> dict[str, Any]:
    """A count on a blue that is the darker, the larger its share of its row is."""
    colour = [round(255 + share * (end - 255)) for end in _DARK]
    return {
        "count": count,
        "colour": ", ".join(map(str, colour)),
        # Whichever can be read better (WCAG 2.2: 4.5 to 1).
        "ink": max(("#ffffff", "#000000"), key=lambda ink: _contrast(ink, colour)),
    }


def _contrast(ink: str, colour: Sequence[int]) -> float:
    one, other = sorted(map(_luminance, ([int(ink[1:3], 16)] * 3, colour)))
    return (other + 0.05) / (one + 0.05)


def _luminance(colour: Sequence[int]) -> float:
    """Relative luminance of sRGB, 0 to 1: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = [one / 255 for one in colour]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def confused(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pairs of class and prediction that differ, the most frequent first, with examples."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for one in rows:
        if one["prediction"] != one["label"]:
            groups[one["label"], one["prediction"]].append(one)
    ordered = sorted(groups.items(), key=lambda one: (-len(one[1]), one[0]))
    return [
        {
            "label": label,
            "prediction": prediction,
            "count": len(several),
            "examples": _short(sorted(several, key=_sure, reverse=True)[:_OF_CELL]),
        }
        for (label, prediction), several in ordered[:_CELLS]
    ]


def worst(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The most confident mistakes."""
    wrong = [one for one in rows if one["prediction"] != one["label"]]
    return _short(sorted(wrong, key=_sure, reverse=True)[:MOST_SHOWN])


def surest(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The right predictions with the most probability, of each class in turn."""
    right = [one for one in rows if one["prediction"] == one["label"]]
    turns: Counter[str] = Counter()
    ordered = []
    for one in sorted(right, key=_sure, reverse=True):
        turns[one["label"]] += 1
        ordered.append((turns[one["label"]], one))
    return _short([one for _, one in sorted(ordered, key=lambda pair: pair[0])[:MOST_SHOWN]])


def least_sure(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The predictions with the least probability."""
    return _short(sorted(rows, key=_sure)[:MOST_SHOWN])


def has_confidence(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each row has one label, one prediction and how sure the model is."""
    return bool(rows) and all(
        isinstance(one.get("prediction"), str)
        and isinstance(one.get("label"), str)
        and isinstance(one.get("probability"), float)
        for one in rows
    )


def data_table(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Examples of each class by split, and what was said of the data."""
    splits = summary["splits"]
    rows: list[list[Any]] = [["all", *(one["used"] for one in splits.values())]]
    rows += [[name, *counts] for name, counts in classes(summary).items()]
    lines = [*summary["notes"], *summary["warnings"]]
    aside = sum(one["set_aside"] for one in splits.values())
    if aside:
        lines.append(f"{aside} examples were set aside; data.json names them")
    cleaned = summary.get("cleaned")
    if cleaned:
        lines.append(
            f"by a clean-list {len(cleaned['excluded'])} examples were left out and "
            f"{len(cleaned['relabelled'])} labelled anew"
        )
    return {"headings": ["", *splits], "rows": rows, "lines": lines}


def stages(info: Mapping[str, Any]) -> list[list[Any]]:
    """Stage, its epochs counted from 1, and what trains in it."""
    groups = info["groups"]
    found: list[list[Any]] = []
    for one in info["stages"]:
        names = groups[len(groups) - 1 - one["depth"] :]
        trains = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        found.append([one["index"] + 1, f"{one['first_epoch'] + 1} to {one['end_epoch']}", trains])
    return found


def export_rows(exports: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """File, size, milliseconds, the primary metric on held-out examples, and the verdict."""
    found: list[list[Any]] = []
    for one in exports:
        decided = one["verdict"]
        time = one["milliseconds"]
        found.append(
            [
                Path(one["path"]).name,
                format_bytes(one["size_bytes"]),
                None if time is None else f"{time:.1f}",
                decided["exported"],
                "as good as the model" if decided["passed"] else "; ".join(decided["reasons"]),
            ]
        )
    return found


def _title(name: str) -> str:
    return name.replace("_", " ").replace("f1", "F1")


def _sure(row: Mapping[str, Any]) -> float:
    return float(row["probability"])


def _short(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: one[key] for key in ("name", "label", "prediction", "probability")} for one in rows
    ]
