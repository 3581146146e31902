"""What annotation files say of images, before it is checked against them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kfine.answers.boxes.objects import Box, Boxed
from kfine.data.records import printable

# What tables and XML call the sides of a box.
SIDES = ("xmin", "ymin", "xmax", "ymax")
# In pixels; that far out of the image is how some tools count.
_OVER = 1.5
# Two boxes of one object, as two tools write it.
_SAME = 1.5


@dataclass(frozen=True)
class Thing:
    """One object.

    Attributes:
        name: Its class.
        box: Left, top, right and bottom.
        relative: Whether those are fractions of width and height, rather than pixels.
    """

    name: str
    box: Box
    relative: bool = False


@dataclass(frozen=True)
class Listed:
    """One image and its objects.

    Attributes:
        file: The image.
        things: Its objects.
        split: What the source says.
        by: Name of the file that says so.
        size: Height and width in pixels that the file says, if it does.
        wrong: Why it cannot be used, in a few words.
    """

    file: Path
    things: tuple[Thing, ...]
    split: str | None
    by: str
    size: tuple[int, int] | None = None
    wrong: str = ""


@dataclass
class Told:
    """What was noticed while reading.

    Attributes:
        notes: Sentences.
        counts: What is wrong with boxes -> how many are so.
        firsts: And the first place where it was seen.
    """

    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    firsts: dict[str, str] = field(default_factory=dict)

    def count(self, what: str, where: str) -> None:
        """Note a fault of one box."""
        self.counts[what] += 1
        self.firsts.setdefault(what, printable(where))

    @property
    def warnings(self) -> list[str]:
        """A sentence for each fault."""
        return [
            f"boxes {what}: {count} (the first in {self.firsts[what]})"
            for what, count in self.counts.items()
        ]


def boxed(things: tuple[Thing, ...], size: tuple[int, int], name: str, told: Told) -> Boxed:
    """The objects of an image that can be used.

    Those without area, outside of the image or doubled are left out, and what reaches out of the
    image is cut; both are counted.

    Args:
        things: What the file says.
        size: Height and width of the image in pixels.
        name: Of the image.
        told: Where faults are counted.
    """
    height, width = size
    kept: dict[tuple[str, Box], None] = {}
    for one in things:
        sides = one.box
        if one.relative:
            scale = (width, height, width, height)
            sides = tuple(side * factor for side, factor in zip(sides, scale, strict=True))  # type: ignore[assignment]
        if not all(map(math.isfinite, sides)):
            told.count("whose sides are no numbers, left out", name)
            continue
        left, top, right, bottom = sides
        if right <= left or bottom <= top:
            told.count("without area, left out", name)
            continue
        inside = max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)
        if inside[2] <= inside[0] or inside[3] <= inside[1]:
            told.count("outside of their image, left out", name)
            continue
        if max(abs(a - b) for a, b in zip(inside, sides, strict=True)) > _OVER:
            told.count("that reach out of their image, cut at its edge", name)
        exact = tuple(round(side, 3) for side in inside)
        if (one.name, exact) in kept:
            told.count("that are there twice, counted once", name)
        kept[one.name, exact] = None  # type: ignore[index]
    return Boxed(tuple(box for _, box in kept), tuple(kind for kind, _ in kept), size)


def same(one: Boxed, other: Boxed) -> bool:
    """Whether two files say the same of an image, but for how tools count pixels."""
    left = list(zip(other.classes, other.boxes, strict=True))
    for name, box in zip(one.classes, one.boxes, strict=True):
        found = next((x for x in left if x[0] == name and _near(x[1], box)), None)
        if found is None:
            return False
        left.remove(found)
    return not left


def _near(one: Box, other: Box) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= _SAME
