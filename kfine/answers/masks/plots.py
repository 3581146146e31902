"""The picture of how well each class is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfine.answers.masks.overlay import colour_of
from kfine.drawing.figures import INK, SOFT, new_figure, save_png
from kfine.drawing.names import printable, shorten


def classes_png(path: Path | str, per_class: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw the IoU of each class, in the colour that it has in other pictures.

    Args:
        path: The PNG file, replaced if it exists.
        per_class: As `by_class` gives it, in the order of the classes.
    """
    figure = new_figure(7, 0.6 + 0.32 * len(per_class))
    axes = figure.add_axes((0.28, 0.12, 0.64, 0.84))
    places = range(len(per_class))
    found = [one["iou"] or 0.0 for one in per_class.values()]
    colours = [tuple(part / 255 for part in colour_of(place)) for place in places]
    axes.barh(places, found, color=colours, height=0.66)
    axes.set_yticks(places, [shorten(printable(name), 26) for name in per_class])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("intersection over union", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelcolor=INK)
    for place, one in enumerate(per_class.values()):
        text = "in no image" if one["iou"] is None else f"{one['iou']:.2f}"
        axes.text(found[place] + 0.01, place, text, va="center", size=9, color=SOFT)
    save_png(figure, path)
