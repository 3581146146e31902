"""The model card of a run: what is known of it, and a line for each thing that is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kfine.exporting.bundle.model_card import plain, table
from kfine.presets import license_of, stated_license
from kfine.training.run import TrainedRun

# What nobody but its makers can say.
OPEN = "*to be filled in*"


def run_card(found: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Markdown with the sections of Mitchell et al. 2019, https://arxiv.org/abs/1810.03993.

    Args:
        found: What `report.json` holds.
        facts: As `facts_of` gives them.
    """
    parts = [
        f"# {plain(found['name'])}",
        plain(" ".join([str(facts["purpose"]), *found["verdict"]])),
        "## Model",
        _rows(facts["details"]),
        "## Intended use",
        plain(f"{facts['purpose']} {facts['limits']}"),
        f"- Who uses it, for which decisions: {OPEN}\n- What it must not be used for: {OPEN}\n"
        f"- What happens where it is wrong, and who looks: {OPEN}",
        "## Data",
        _rows(facts["origin"]),
        table(found["data"]["headings"], _cells(found["data"]["rows"])),
        *_lines(found["data"]["lines"]),
        "## Evaluation",
        f"On the test split, {facts['many']} that the model did not learn from:",
        table(found["compared"]["headings"], _cells(found["compared"]["rows"])),
    ]
    if found["per_class"]:
        parts.append(table(found["per_class"]["headings"], _cells(found["per_class"]["rows"])))
    for one in found["slices"]:
        parts += [f"### By {plain(one['column'])}", table(one["headings"], _cells(one["rows"]))]
        if one["given"]["rows"]:
            parts.append(table(one["given"]["headings"], _cells(one["given"]["rows"])))
        parts += _lines(one["words"])
    if not found["slices"]:
        parts.append(
            "Whether it treats groups of people, places or devices alike was not measured: "
            f"`kfine report {found['run']} --slices COLUMN --sensitive COLUMN` does."
        )
    parts += [*_calibration(found["calibration"]), *_stress(found), *_limits(found, facts)]
    if found["exports"]:
        headings = ("file", "size", "ms", "held-out", "verdict")
        parts += ["## Exported files", table(headings, _cells(found["exports"]))]
    parts += ["## How to make it again", _rows(found["made"])]
    return "\n\n".join(parts) + "\n"


def facts_of(trained: TrainedRun, info: Mapping[str, Any]) -> dict[str, Any]:
    """What a run knows beside its report.

    Returns:
        `purpose`, `limits`, `many`; `details`, rows of name and value; `origin`, those of the data.
    """
    given, summary = trained.answer.device(), trained.folder.read("data.json")
    preset, data = str(getattr(trained.config, "preset", "") or ""), Path(summary["source"])
    details = [
        ["what it takes", trained.input.many],
        ["what it answers", trained.answer.kind],
        ["recipe", info["recipe"]],
        ["base model", Path(preset).name or "none"],
    ]
    if preset:
        details.append(["licence of the base model", license_of(preset)])
    details += [
        ["licence of this model", OPEN],
        ["trained", str(info.get("started", ""))[:10]],
        ["made with", f"kfine {trained.folder.read('environment.json')['packages']['kfine']}"],
        ["who answers for it, and how to reach them", OPEN],
    ]
    origin = [
        ["source", str(data)],
        ["fingerprint", summary["fingerprint"]],
        ["licence", (stated_license(data) if data.is_dir() else "") or OPEN],
        ["who collected it, when, where and how", OPEN],
        ["who or what is in it, and whether they agreed", OPEN],
    ]
    return {
        "purpose": given.purpose(trained.input.many),
        "limits": given.limits(),
        "many": trained.input.many,
        "details": details,
        "origin": origin,
    }


def _calibration(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    line = (
        f"Its probabilities and how often it is right are {found['error']:.1%} apart on average "
        "(expected calibration error)"
    )
    if found["temperature"]:
        line += (
            f"; with logits divided by {found['temperature']}, learned on validation, it would be "
            f"{found['error_after']:.1%}"
        )
    return [f"{line}."]


def _stress(found: Mapping[str, Any]) -> list[str]:
    tried = found["stress"]
    if tried is None:
        return [f"How it holds on changed examples was not tried: `kfine stress {found['run']}`."]
    return [
        "### On changed examples",
        table(tried["headings"], _cells(tried["rows"])),
        f"{tried['metric']} on {tried['count']} of the test examples, {tried['unchanged']:.3f} as "
        f"they are. {' '.join(tried['words'])}",
    ]


def _limits(found: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    lines = [str(facts["limits"])]
    lines += [
        f"{one['label']} is taken for {one['prediction']}: {one['count']} of the test examples."
        for one in found["confused"][:5]
    ]
    lines += [f"{line[:1].upper()}{line[1:]}." for line in found["advice"]]
    lines += [f"Not told here: {line}." for line in found["left_out"]]
    lines.append(f"Risks for people whom it concerns, and what was done about them: {OPEN}")
    return ["## Limits", *_lines(lines)]


def _lines(lines: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {plain(line)}" for line in lines)] if lines else []


def _rows(rows: Sequence[Sequence[Any]]) -> str:
    return table(("", ""), _cells(rows))


def _cells(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    return [[_cell(cell) for cell in row] for row in rows]


def _cell(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)
