"""Replies that are not the ones that were wanted, as a page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kfine.inputs import Mistake
from kfine.inputs.prompt.conversation import shown
from kfine.runs.files import write_text

NAME = "mistakes.html"
_MOST = 100
_LONGEST = 1500  # characters of a prompt
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Replies</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
    padding: 0 1rem; }}
  li {{ margin: 0 0 2rem; }}
  h2 {{ font-size: 1rem; margin: .5rem 0 0; }}
  p {{ margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }}
</style>
<h1>{heading}</h1>
<p>Those that are farthest from what was wanted come first.</p>
<ol>
{rows}
</ol>
</html>
"""
_ROW = """<li>
<h2>Prompt</h2><p>{prompt}</p>
<h2>Wanted</h2><p>{label}</p>
<h2>Written, {probability:.0%} sure</h2><p>{prediction}</p>
<h2>Written by the untuned model</h2><p>{untuned}</p>
</li>"""


def write_mistakes(folder: Path, examples: Any, mistakes: Sequence[Mistake]) -> str:
    """Write `mistakes.html`.

    Args:
        folder: Where it goes.
        examples: The prompts of the split, indexable with a list of numbers.
        mistakes: What is not as it was wanted, the farthest first.

    Raises:
        RunError: The folder cannot be written.
    """
    worst = list(mistakes)[:_MOST]
    rows = [
        _ROW.format(
            prompt=_escaped(shown(examples[[one.index]][0])) or "nothing",
            label=_escaped(one.label),
            prediction=_escaped(one.prediction) or "nothing",
            untuned=_escaped(one.untuned) or "nothing",
            probability=one.probability,
        )
        for one in worst
    ]
    count = len(mistakes)
    heading = f"{count} repl{'y' if count == 1 else 'ies'} that differ{'s' * (count == 1)}"
    if count > _MOST:
        heading = f"The {_MOST} farthest of {heading}"
    write_text(folder / NAME, _PAGE.format(heading=heading, rows="\n".join(rows)))
    return NAME


def _escaped(text: str) -> str:
    more = " …" if len(text) > _LONGEST else ""
    return html.escape(text[:_LONGEST]) + more
