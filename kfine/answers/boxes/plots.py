"""Pictures of how well each class is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kfine.drawing.colours import colour_of
from kfine.drawing.figures import INK, SOFT, new_figure, save_png
from kfine.drawing.names import printable, shorten


def curves_png(path: Path | str, curves: Mapping[str, Sequence[float]]) -> None:
    """Draw precision over recall at an overlap of 0.5, a curve for each class.

    Args:
        path: The PNG file, replaced if it exists.
        curves: Class -> precision at recalls from 0 to 1, equally far apart.
    """
    figure = new_figure(7, 4.6)
    axes = figure.add_axes((0.1, 0.12, 0.62, 0.82))
    for place, (name, precision) in enumerate(curves.items()):
        recall = [one / (len(precision) - 1) for one in range(len(precision))]
        colour = tuple(part / 255 for part in colour_of(place))
        axes.plot(recall, precision, color=colour, lw=2, label=shorten(printable(name), 22))
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("recall: of the objects, those that were found", color=INK)
    axes.set_ylabel("precision: of what was found, what is right", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelcolor=INK)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1), labelcolor=SOFT)
    save_png(figure, path)
