"""Wrong transcripts as a page: what was said, what was heard, and the sound."""

from __future__ import annotations

import html
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from kfine.inputs import Mistake
from kfine.inputs.audio.audio import write_sounds
from kfine.runs.files import write_text

NAME = "mistakes.html"
_SOUNDS = "mistakes"
_MOST = 50
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mistakes</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
    padding: 0 1rem; }}
  li {{ margin: 0 0 1.5rem; }}
  p {{ margin: 0; overflow-wrap: anywhere; }}
  mark {{ background: #ffd9c9; color: inherit; }}
  small {{ color: #555; }}
  audio {{ display: block; width: 100%; max-width: 30rem; margin: .3rem 0; }}
</style>
<h1>{heading}</h1>
<p>The most wrong words first; words that differ are marked.</p>
<ol>
{rows}
</ol>
</html>
"""
_ROW = """<li>
<audio controls preload="none" src="{sound}" aria-label="recording {place}"></audio>
<p>said: {said}</p>
<p>heard: {heard} <small>{probability:.0%} sure</small></p>
</li>"""


def write_mistakes(folder: Path, examples: Any, mistakes: Sequence[Mistake]) -> str:
    """Write `mistakes.html`, with the sounds of the worst in the folder `mistakes` beside it.

    Args:
        folder: Where they go.
        examples: The recordings of the split, indexable with a list of numbers.
        mistakes: What is wrong, the worst first.

    Raises:
        RunError: The folder cannot be written.
    """
    worst = list(mistakes)[:_MOST]
    names = write_sounds(folder / _SOUNDS, examples, worst)
    rows = [
        _row(f"{_SOUNDS}/{name}", place, one)
        for place, (name, one) in enumerate(zip(names, worst, strict=True), 1)
    ]
    count = len(mistakes)
    heading = f"{count} mistake{'s' * (count != 1)}"
    if count > _MOST:
        heading = f"The {_MOST} worst of {heading}"
    write_text(folder / NAME, _PAGE.format(heading=heading, rows="\n".join(rows)))
    return NAME


def _row(sound: str, place: int, one: Mistake) -> str:
    said, heard = one.label.split(), one.prediction.split()
    lower = [[word.lower() for word in words] for words in (said, heard)]
    same = SequenceMatcher(None, lower[0], lower[1])
    marked: tuple[list[str], list[str]] = ([], [])
    for kind, first, last, start, end in same.get_opcodes():
        for words, into in zip((said[first:last], heard[start:end]), marked, strict=True):
            text = html.escape(" ".join(words))
            into += [text if kind == "equal" else f"<mark>{text}</mark>"] if text else []
    return _ROW.format(
        sound=sound,
        place=place,
        said=" ".join(marked[0]),
        heard=" ".join(marked[1]) or "nothing",
        probability=one.probability,
    )
