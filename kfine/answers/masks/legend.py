"""What the values or colours of masks stand for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kfine.data.tables import read_table
from kfine.errors import ConfigError, DataError

Colour = tuple[int, int, int]

# Files beside the images that say it, the first that is there.
FILES = (
    "classes.json",
    "labelmap.txt",
    "label_colors.txt",
    "class_dict.csv",
    "classes.txt",
    "labels.txt",
    "codes.txt",
)
# Names of what is no class: pixels that nobody labelled.
_IGNORED = re.compile(r"void|ignored?|unlabel+ed|unknown|don'?t[ _]care", re.IGNORECASE)
# Where a file names no value for it, the border of PASCAL VOC.
BORDER = 255


@dataclass(frozen=True)
class Legend:
    """What the values or colours of masks stand for.

    Attributes:
        values: Value of a pixel, 0 to 255, to the name of its class.
        colours: The same of red, green and blue.
        ignored: Names that take no part in losses and scores.
        source: Where it was read, in words.
    """

    values: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[Colour, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    source: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order of their values or of the file."""
        by_value = [self.values[value] for value in sorted(self.values)]
        named = dict.fromkeys([*by_value, *self.colours.values()])
        return tuple(name for name in named if name not in self.ignored)

    def without(self, ignored: Iterable[str]) -> Legend:
        """The same with these names ignored.

        Raises:
            ConfigError: There is no such name.
        """
        chosen = frozenset(ignored)
        unknown = sorted(chosen - {*self.values.values(), *self.colours.values()})
        if unknown:
            raise ConfigError(
                f"ignore names classes that there are not; there are {', '.join(self.names)}. "
                f"Received: {', '.join(unknown)}"
            )
        return replace(self, ignored=chosen)


def read_legend(root: Path, classes: str = "", ignore: str | None = None) -> Legend | None:
    """The legend of a folder of masks; `None` where nothing says it.

    Args:
        root: Where one of `FILES` may lie.
        classes: Names in the order of the values, with commas between; or the path of such a file.
        ignore: Names that do not count, with commas between; if `None`, those such as `void` and
            `unlabelled`, and what a file says.

    Raises:
        ConfigError: The names are not usable.
        DataError: A file cannot be read as a legend.
    """
    found: Legend | None = None
    if classes:
        path = Path(classes).expanduser()
        found = read_legend_file(path) if path.is_file() else _listed(classes)
    else:
        for name in FILES:
            if (root / name).is_file():
                found = read_legend_file(root / name)
                break
    if found is None or ignore is None:
        return found
    return found.without(names_in(ignore))


def names_in(text: str) -> list[str]:
    """Names with commas between; empty ones are left out."""
    return [name for name in (one.strip() for one in text.split(",")) if name]


def _listed(classes: str) -> Legend:
    names = [one.strip() for one in classes.split(",")]
    if "/" in classes or "\\" in classes or classes.endswith((".txt", ".json", ".csv")):
        raise ConfigError(f"There is no file of classes {classes}.")
    if len(names) < 2 or not all(names):
        raise ConfigError(
            "classes is a list of two names or more, such as background,road, or a file of them. "
            f"Received: {classes!r}"
        )
    return _numbered(names, "classes")


def _numbered(names: Sequence[str], source: str, ignored: int | None = None) -> Legend:
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise DataError(f"{source} names the class {double[0]!r} twice: each value has its own")
    chosen = {name for place, name in enumerate(names) if _is_ignored(name) or place == ignored}
    return Legend(dict(enumerate(names)), {}, frozenset(chosen), source)


def _is_ignored(name: str) -> bool:
    return _IGNORED.fullmatch(name.strip()) is not None


def read_legend_file(path: Path) -> Legend:
    """One of the files that annotation tools and data sets bring along.

    JSON: a list of names, an object of value to name, or one with `classes` and `ignore_index`.
    `labelmap.txt` (CVAT): `name:red,green,blue::`. `label_colors.txt` (CamVid): three numbers and
    a name. CSV: `name,r,g,b`, or `value,name`. Other text: a name a line.

    Raises:
        DataError: It is none of these.
    """
    if path.suffix.lower() == ".csv":
        return _of_table(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from None
    if path.suffix.lower() == ".json":
        return _of_json(path, text)
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    coloured = [_coloured(line) for line in lines]
    if lines and all(coloured):
        pairs = [one for one in coloured if one]
        return _of_colours(pairs, path)
    if not lines:
        raise DataError(f"{path} names no classes")
    return _numbered(lines, path.name)


def _of_json(path: Path, text: str) -> Legend:
    try:
        values: Any = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from None
    ignored = None
    if isinstance(values, dict) and "classes" in values:
        ignored, values = values.get("ignore_index"), values["classes"]
    if isinstance(values, list) and all(isinstance(one, str) for one in values) and values:
        return _numbered(values, path.name, ignored)
    if isinstance(values, dict) and all(
        str(key).isdigit() and int(key) <= 255 and isinstance(one, str)
        for key, one in values.items()
    ):
        names = {int(key): one for key, one in values.items()}
        chosen = {one for key, one in names.items() if _is_ignored(one) or key == ignored}
        return Legend(names, {}, frozenset(chosen), path.name)
    raise DataError(
        f'{path} is no list of classes: wanted ["road", "car"] or {{"0": "road", "1": "car"}}'
    )


_CVAT = re.compile(r"^(?P<name>[^:]+):(?P<colour>\d+,\d+,\d+):")
_CAMVID = re.compile(r"^(?P<colour>\d+\s+\d+\s+\d+)\s+(?P<name>\S.*)$")


def _coloured(line: str) -> tuple[str, Colour] | None:
    found = _CVAT.match(line) or _CAMVID.match(line)
    if not found:
        return None
    red, green, blue = (int(one) for one in re.split(r"[,\s]+", found["colour"]))
    return found["name"].strip(), (red, green, blue)


def _of_colours(pairs: Sequence[tuple[str, Colour]], path: Path) -> Legend:
    colours: dict[Colour, str] = {}
    for name, colour in pairs:
        if max(colour) > 255:
            raise DataError(f"{path}: the colour {colour} of {name!r} is over 255")
        if colours.setdefault(colour, name) != name:
            raise DataError(f"{path}: {name!r} and {colours[colour]!r} have the colour {colour}")
    ignored = frozenset(name for name in colours.values() if _is_ignored(name))
    return Legend({}, colours, ignored, path.name)


def _of_table(path: Path) -> Legend:
    table = read_table(path, ("name",))
    cells = [row.cells for row in table.rows]
    try:
        if {"r", "g", "b"} <= set(table.columns):
            pairs = [(str(one["name"]), tuple(int(one[key]) for key in "rgb")) for one in cells]
            return _of_colours([(name, (r, g, b)) for name, (r, g, b) in pairs], path)
        if "value" in table.columns:
            names = {int(one["value"]): str(one["name"]) for one in cells}
            ignored = frozenset(name for name in names.values() if _is_ignored(name))
            return Legend(names, {}, ignored, path.name)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: a value or colour is no whole number ({error})") from None
    return _numbered([str(one["name"]) for one in cells], path.name)
