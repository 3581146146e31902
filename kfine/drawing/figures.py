"""Figures without pyplot: no display, no global state, and a PNG that is written whole."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from kfine.drawing.names import usable_fonts
from kfine.runs.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIGHT, WRONG, INK, SOFT, FAINT = "#1f5f99", "#c2410c", "#222222", "#555555", "#9a9a9a"
_DOTS_PER_INCH = 130


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path | str) -> None:
    """Write the PNG whole or not at all, as large as its texts need.

    Raises:
        RunError: The disk is full or cannot be written.
    """
    from matplotlib.text import Text

    fonts = usable_fonts()
    for text in figure.findobj(Text):
        text.set_fontfamily(fonts)
        # A class may be called "$5 and $10"; it is no formula.
        text.set_parse_math(False)
    content = BytesIO()
    # Without the software's version the bytes depend on the picture alone.
    figure.savefig(
        content, format="png", bbox_inches="tight", pad_inches=0.2, metadata={"Software": None}
    )
    with whole_file(Path(path)) as unfinished:
        unfinished.write_bytes(content.getvalue())
