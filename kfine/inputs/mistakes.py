"""Wrong predictions in pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kfine.inputs import Mistake

NAME = "plots/mistakes.png"


def draw_mistakes(
    folder: Path,
    examples: Any,
    mistakes: Sequence[Mistake],
    names: Sequence[str],
    picture: Callable[[Any], Any] | None = None,
) -> str:
    """Draw the worst mistakes in `plots/mistakes.png`; the file's name in the folder.

    Args:
        folder: Where it goes.
        examples: Of the split, indexable with a list of numbers.
        mistakes: The most confident first.
        names: All classes in order.
        picture: From an example to uint8 RGB `(height, width, 3)`; `None` where it is that.
    """
    from kfine.drawing.mistakes import MOST_MISTAKES, mistakes_png

    worst = list(mistakes)[:MOST_MISTAKES]
    shown = examples[[one.index for one in worst]]
    mistakes_png(
        folder / NAME,
        shown if picture is None else [picture(one) for one in shown],
        [one.label for one in worst],
        [one.prediction for one in worst],
        [one.probability for one in worst],
        names,
    )
    return NAME
