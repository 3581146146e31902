"""Class names as a picture can show them: short, on one line, in a font that has the letters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

# After the font that matplotlib brings, those that systems commonly have for other scripts.
_FALLBACKS = (
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
    "Arial Unicode MS",
)


def shorten(text: str, width: int) -> str:
    """Cut out the middle of a text wider than `width` columns: both ends often tell names apart."""
    if _columns(text) <= width:
        return text
    head = _take(text, (width - 1) - (width - 1) // 2)
    tail = _take(text[::-1], (width - 1) // 2)[::-1]
    return f"{head.rstrip()}…{tail.lstrip()}"


def printable_names(class_names: Sequence[str]) -> list[str]:
    """All classes on one line each; one that no font can draw is "class 3", counted from 1."""
    return [printable(name, f"class {i}") for i, name in enumerate(class_names, 1)]


def printable(text: str, instead: str = "") -> str:
    """A text on one line, of letters that an installed font can draw.

    Args:
        text: Any text.
        instead: What stands for the letters that cannot be drawn; without it, their code points.
    """
    line = " ".join(text.split())
    kept = "".join(c for c in line if ord(c) in _drawable())
    if kept == line:
        return line
    if not instead:
        return line.encode("ascii", "backslashreplace").decode()
    rest = " ".join(kept.split())
    return f"{instead}: {rest}" if any(c.isalnum() for c in rest) else instead


@cache
def usable_fonts() -> tuple[str, ...]:
    """Names of the installed fonts to draw with, in the order of preference."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ("DejaVu Sans", *(font for font in _FALLBACKS if font in installed))


@cache
def _drawable() -> frozenset[int]:
    """Every code point that some usable font has a picture for."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset().union(*(get_font(findfont(font)).get_charmap() for font in usable_fonts()))


def _columns(text: str) -> int:
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _take(text: str, width: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _width(character)
        if taken > width:
            return text[:index]
    return text
