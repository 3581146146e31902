"""Replies that are not the ones that were wanted, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kfine.drawing.pages import render
from kfine.inputs import Mistake
from kfine.inputs.prompt.conversation import shown
from kfine.runs.files import write_text

NAME = "mistakes.html"
_MOST = 100
_LONGEST = 1500  # characters of a text


def write_mistakes(folder: Path, examples: Any, mistakes: Sequence[Mistake]) -> str:
    """Write `mistakes.html`.

    Args:
        folder: Where it goes.
        examples: The prompts of the split, indexable with a list of numbers.
        mistakes: What is not as it was wanted, the farthest first.

    Raises:
        RunError: The folder cannot be written.
    """
    rows = [
        {
            "prompt": _some(shown(examples[[one.index]][0])),
            "label": _some(one.label),
            "prediction": _some(one.prediction),
            "untuned": _some(one.untuned),
            "sure": f"{one.probability:.0%}",
        }
        for one in list(mistakes)[:_MOST]
    ]
    count = len(mistakes)
    heading = f"{count} repl{'y' if count == 1 else 'ies'} that differ{'s' * (count == 1)}"
    if count > _MOST:
        heading = f"The {_MOST} farthest of {heading}"
    page = render("kfine.inputs.prompt", NAME, heading=heading, rows=rows)
    write_text(folder / NAME, page)
    return NAME


def _some(text: str) -> str:
    return (text[:_LONGEST] + " …" if len(text) > _LONGEST else text) or "nothing"
