"""Masks that are drawn from outlines: COCO's JSON, and labelme's, one for each image."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kfine.answers.masks.mask import IGNORED, counted
from kfine.data.annotations import files_below, image_beside, split_of
from kfine.data.records import Record, SetAside, Source, printable
from kfine.errors import DataError

# What lies in no outline.
BACKGROUND = "background"


@dataclass(frozen=True)
class Shape:
    """One outline of a class.

    Attributes:
        name: Of the class.
        polygons: Each x, y, x, y and so on, in pixels.
        counts: Run lengths column by column, first of what is outside; empty where there are
            polygons.
        area: In square pixels; the smaller of two that meet is in front.
    """

    name: str
    polygons: tuple[tuple[float, ...], ...] = ()
    counts: tuple[int, ...] = ()
    area: float = 0.0


@dataclass(frozen=True)
class Drawn:
    """The truth of one image, from its outlines; as `Mask`.

    Attributes:
        shapes: The outlines.
        size: Height and width of the image in pixels.
        counts: Class -> its pixels, of those that are in it, the background among them.
        written: SHA-256 of the outlines.
    """

    shapes: tuple[Shape, ...] = field(repr=False)
    size: tuple[int, int]
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)
    written: str = ""

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the classes in it."""
        return tuple(self.counts)

    def numbers(self, names: tuple[str, ...]) -> NDArray[np.uint8]:
        """uint8 `(height, width)`: the number of each pixel's class among `names`; 255 for none."""
        place = {name: number for number, name in enumerate(names)}
        drawn = np.full(self.size, place.get(BACKGROUND, IGNORED), np.uint8)
        for shape in sorted(self.shapes, key=lambda one: -one.area):
            drawn[_inside(shape, self.size)] = place.get(shape.name, IGNORED)
        return drawn


def _inside(shape: Shape, size: tuple[int, int]) -> NDArray[np.bool_]:
    from PIL import Image, ImageDraw

    if shape.counts:
        values = np.arange(len(shape.counts)) % 2 == 1
        return np.repeat(values, shape.counts).reshape(size[::-1]).T
    image = Image.new("1", size[::-1])
    for polygon in shape.polygons:
        ImageDraw.Draw(image).polygon(polygon, fill=1)
    return np.array(image, bool)


def outline_files(root: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The JSON files of outlines in a folder or below, with what they hold; or the one file.

    Raises:
        DataError: A file that was given is none.
    """
    if root.is_file():
        content = _content(root)
        if content is None:
            raise DataError(
                f"{root} is no JSON of outlines: wanted COCO's (images, annotations, categories) "
                "or labelme's (shapes)"
            )
        return [(root, content)]
    found = []
    for path in files_below(root, (".json",)):
        content = _content(path)
        if content is not None:
            found.append((path, content))
    return found


def _content(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    coco = isinstance(values, dict) and {"images", "annotations", "categories"} <= set(values)
    labelme = isinstance(values, dict) and isinstance(values.get("shapes"), list)
    return values if coco or labelme else None


def read_outlines(root: Path, files: Sequence[tuple[Path, dict[str, Any]]]) -> Source:
    """The images of some JSON files with their outlines.

    The split of an image is said by the name of its JSON (`instances_val2017.json`) or of a folder
    above it (`train/_annotations.coco.json`).

    Raises:
        DataError: A file contradicts itself, or not one image is there.
    """
    folder = root if root.is_dir() else root.parent
    records: dict[tuple[str, str | None], Record] = {}
    set_aside: list[SetAside] = []
    warnings: list[str] = []
    for path, content in files:
        split = split_of(path, folder)
        read = _coco if "annotations" in content else _labelme
        for file, drawn, reason in read(path, content, warnings):
            inside = file.is_relative_to(folder)
            name = printable((file.relative_to(folder) if inside else file).as_posix())
            if (name, split) in records:
                reason = f"listed twice ({path.name})"
            if reason or drawn is None:
                set_aside.append(SetAside(name, split, reason))
            else:
                records[name, split] = Record(name, drawn, split, file)
    if not records:
        first = set_aside[0] if set_aside else None
        why = f" (the first, {first.name}: {first.reason})" if first else ""
        raise DataError(f"not one image of {root} can be used{why}: images lie beside their JSON")
    if not any(record.label.shapes for record in records.values()):
        said = f" ({warnings[0]})" if warnings else ""
        raise DataError(f"not one of the {len(records)} images of {root} has an outline{said}")
    ordered = sorted(records.values(), key=lambda record: record.name)
    return Source("outlines", folder, tuple(ordered), tuple(set_aside), tuple(warnings))


_Found = Iterator[tuple[Path, Drawn | None, str]]


def _coco(path: Path, content: Mapping[str, Any], warnings: list[str]) -> _Found:
    try:
        names = {one["id"]: str(one["name"]) for one in content["categories"]}
        shapes: dict[Any, list[Shape]] = defaultdict(list)
        boxes = Counter[str]()
        for one in content["annotations"]:
            if one["category_id"] not in names:
                raise DataError(
                    f"{path}: the annotation {one.get('id')} has the category "
                    f"{one['category_id']}, which is in no list of categories"
                )
            name = names[one["category_id"]]
            if not one.get("segmentation"):
                boxes[name] += 1
                continue
            shapes[one["image_id"]].append(_shape(name, one))
        rows = [
            (one["id"], str(one["file_name"]), (int(one["height"]), int(one["width"])))
            for one in content["images"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is no complete COCO JSON: {error!r}") from None
    if boxes:
        warnings.append(f"{boxes.total()} annotations of {path.name} have a box and no outline")
    used = {shape.name for found in shapes.values() for shape in found}
    unused = [name for name in names.values() if name not in used]
    if unused:
        warnings.append(f"no outline in {path.name} is of {', '.join(sorted(unused))}")
    for number, written, size in rows:
        yield _found(path, written, tuple(shapes.get(number, ())), size)


def _shape(name: str, one: Mapping[str, Any]) -> Shape:
    outline, area = one["segmentation"], float(one.get("area", 0))
    if isinstance(outline, Mapping):
        counts = outline["counts"]
        runs = _unpacked(counts) if isinstance(counts, str) else [int(run) for run in counts]
        return Shape(name, counts=tuple(runs), area=area)
    polygons = tuple(tuple(map(float, polygon)) for polygon in outline if len(polygon) >= 6)
    return Shape(name, polygons, area=area)


def _unpacked(text: str) -> list[int]:
    """Run lengths as pycocotools packs them: five bits a sign, from the third on differences."""
    counts: list[int] = []
    value = place = 0
    for sign in text.encode():
        code = sign - 48
        value |= (code & 0x1F) << 5 * place
        place += 1
        if code & 0x20:
            continue
        if code & 0x10:
            value |= -1 << 5 * place
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = place = 0
    return counts


def _labelme(path: Path, content: Mapping[str, Any], warnings: list[str]) -> _Found:
    shapes, others = [], 0
    try:
        for one in content["shapes"]:
            points = [float(number) for point in one["points"] for number in point]
            kind = one.get("shape_type") or "polygon"
            if kind == "rectangle" and len(points) == 4:
                left, top, right, bottom = points
                points = [left, top, right, top, right, bottom, left, bottom]
            elif kind != "polygon" or len(points) < 6:
                others += 1
                continue
            shapes.append(Shape(str(one["label"]), (tuple(points),), area=_area(points)))
        written = str(content.get("imagePath") or f"{path.stem}.jpg").replace("\\", "/")
        size = int(content["imageHeight"]), int(content["imageWidth"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is no complete labelme JSON: {error!r}") from None
    if others:
        warnings.append(f"{others} shapes of {path.name} are no polygons or rectangles, left out")
    yield _found(path, written, tuple(shapes), size)


def _area(points: Sequence[float]) -> float:
    x, y = np.array(points[::2]), np.array(points[1::2])
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def _found(
    path: Path, written: str, shapes: tuple[Shape, ...], size: tuple[int, int]
) -> tuple[Path, Drawn | None, str]:
    """The file of an image, its outlines, and why it cannot be used."""
    file = image_beside(path, written)
    if file is None:
        return path.parent / written, None, "no such file"
    wrong = [one for one in shapes if one.counts and sum(one.counts) != size[0] * size[1]]
    if wrong or min(size) < 1:
        return file, None, f"its run lengths do not make {size[1]} x {size[0]} pixels"
    digest = hashlib.sha256(repr((size, shapes)).encode()).hexdigest()
    drawn = Drawn(shapes, size, written=digest)
    names = (BACKGROUND, *sorted({one.name for one in shapes} - {BACKGROUND}))
    return file, replace(drawn, counts=counted(drawn.numbers(names), names)), ""
