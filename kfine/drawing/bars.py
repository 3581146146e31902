"""Bars: a figure for each class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kfine.drawing.colours import colour_of
from kfine.drawing.figures import INK, SOFT, new_figure, save_png
from kfine.drawing.names import printable, shorten


def bars_png(path: Path | str, figures: Mapping[str, float | None], words: str) -> None:
    """Draw a figure of each class, in the colour that the class has in other pictures.

    Args:
        path: The PNG file, replaced if it exists.
        figures: By class, 0 to 1, in the order of the classes; `None` of a class that no image has.
        words: What they are.
    """
    figure = new_figure(7, 0.6 + 0.32 * len(figures))
    axes = figure.add_axes((0.28, 0.12, 0.64, 0.84))
    places = range(len(figures))
    found = [one or 0.0 for one in figures.values()]
    colours = [tuple(part / 255 for part in colour_of(place)) for place in places]
    axes.barh(places, found, color=colours, height=0.66)
    axes.set_yticks(places, [shorten(printable(name), 26) for name in figures])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel(words, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelcolor=INK)
    for place, one in enumerate(figures.values()):
        text = "in no image" if one is None else f"{one:.2f}"
        axes.text(found[place] + 0.01, place, text, va="center", size=9, color=SOFT)
    save_png(figure, path)
