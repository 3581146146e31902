"""The page of a search: one HTML file with its pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from kfine.console import format_seconds
from kfine.tuning.importance import FEWEST_TRIALS, importance
from kfine.tuning.pareto import pareto_front
from kfine.tuning.plots import importance_png, objective_png, parallel_png
from kfine.tuning.records import SearchFolder, TrialRecord, ranked, saved_by_pruning

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto;
       padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #e6e6e6; }
img { max-width: 100%; } .soft { color: #666; }
"""


def write_report(
    folder: SearchFolder, goals: Mapping[str, str], answer: Mapping[str, Any] | None
) -> Path:
    """Draw the pictures of a search and write its page.

    Args:
        folder: Of the search, with a trial that has a score.
        goals: Objectives with their directions; the first one leads.
        answer: What retraining found, if it was done.

    Returns:
        The page, `report.html`.
    """
    records = folder.records()
    objective = next(iter(goals))
    best = ranked(records, objective, goals[objective])
    pictures = _draw(folder.path / "plots", records, best, objective, goals[objective])
    parts = [
        f"<h1>{escape(folder.path.name)}</h1>",
        f"<p>{_summary(records, best, objective)}</p>",
        _answer(answer),
        *(_picture(title, path) for title, path in pictures),
        _pareto(records, goals),
        "<h2>Trials, the best first</h2>",
        _table(best, list(goals)),
        _lost([one for one in records if not one.scored]),
    ]
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>{escape(folder.path.name)}</title><style>{_STYLE}</style>"
        + "\n".join(part for part in parts if part)
        + "</html>\n"
    )
    folder.write_text("report.html", page)
    return folder.path / "report.html"


def _draw(
    plots: Path,
    records: Sequence[TrialRecord],
    best: Sequence[TrialRecord],
    objective: str,
    direction: str,
) -> list[tuple[str, Path | None]]:
    objective_png(plots / "objective.png", records, objective, direction)
    found: list[tuple[str, Path | None]] = [("Objective over trials", plots / "objective.png")]
    if len(best) > 1:
        parallel_png(plots / "parallel_coordinates.png", best, objective, direction)
        found.append(("Parallel coordinates", plots / "parallel_coordinates.png"))
    shares = importance(best, objective)
    found.append(("Importance of each hyperparameter", None))
    if shares:
        importance_png(plots / "importance.png", shares)
        found[-1] = (found[-1][0], plots / "importance.png")
    return found


def _summary(records: Sequence[TrialRecord], best: Sequence[TrialRecord], objective: str) -> str:
    counts: dict[str, int] = {}
    for record in records:
        counts[record.status] = counts.get(record.status, 0) + 1
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    epochs, seconds = saved_by_pruning(records)
    if epochs:
        words += f"; pruning saved {epochs} epochs, about {format_seconds(seconds)}"
    return (
        f"{len(records)} trials ({words}). The best is trial {escape(best[0].trial)} with "
        f"{escape(objective)} {best[0].scores[objective]:.4f}; its config is in best.yaml."
    )


def _answer(answer: Mapping[str, Any] | None) -> str:
    return f"<h2>Retrained</h2><p>{escape(str(answer['sentence']))}</p>" if answer else ""


def _picture(title: str, path: Path | None) -> str:
    if path is None:
        note = f"Too little to say: it takes {FEWEST_TRIALS} trials with different scores."
        return f"<h2>{title}</h2><p class='soft'>{note}</p>"
    content = base64.b64encode(path.read_bytes()).decode()
    return f"<h2>{title}</h2><img alt='{title}' src='data:image/png;base64,{content}'>"


def _pareto(records: Sequence[TrialRecord], goals: Mapping[str, str]) -> str:
    if len(goals) < 2:
        return ""
    note = "No other trial is better in one of them without being worse in another."
    front = pareto_front(records, goals)
    return f"<h2>Pareto table</h2><p class='soft'>{note}</p>" + _table(front, list(goals))


def _table(records: Sequence[TrialRecord], goals: Sequence[str]) -> str:
    names = list(dict.fromkeys(name for one in records for name in one.values))
    rows = [
        [
            one.trial,
            *(_cell(one.scores.get(goal)) for goal in goals),
            one.status,
            str(one.epochs),
            f"{one.seconds:.0f}",
            *(_cell(one.values.get(name)) for name in names),
        ]
        for one in records
    ]
    head = ["trial", *goals, "status", "epochs", "seconds", *names]
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _lost(records: Sequence[TrialRecord]) -> str:
    if not records:
        return ""
    items = "".join(
        f"<li>trial {escape(one.trial)} {one.status}: {escape(one.reason)}</li>" for one in records
    )
    return f"<h2>Trials without a score</h2><ul>{items}</ul>"
