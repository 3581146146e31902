"""A colour for each class: the same in every picture."""

from __future__ import annotations

from collections.abc import Iterable

# Told apart by most people who see colours otherwise too: Okabe and Ito, 2008, and darker ones.
_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (117, 112, 179),
    (102, 166, 30),
    (166, 86, 40),
    (153, 153, 153),
    (64, 64, 64),
)


def colour_of(place: int) -> tuple[int, int, int]:
    """Red, green and blue of the class of some number: the same in every picture."""
    red, green, blue = _COLOURS[place % len(_COLOURS)]
    # More classes than colours come again, darker each time.
    darker = 0.6 ** (place // len(_COLOURS))
    return int(red * darker), int(green * darker), int(blue * darker)


def legend(names: Iterable[str]) -> list[tuple[str, tuple[int, int, int]]]:
    """Each class with its colour, in their order."""
    return [(name, colour_of(place)) for place, name in enumerate(names)]
