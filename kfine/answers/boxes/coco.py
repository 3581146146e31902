"""Boxes in COCO's JSON: https://cocodataset.org/#format-data."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfine.answers.boxes.listed import Listed, Thing, Told
from kfine.data.annotations import files_below, image_beside, split_of
from kfine.errors import DataError

FORMAT = "COCO's JSON"
_KEYS = {"images", "annotations", "categories"}


def read_coco(root: Path, told: Told) -> Iterator[Listed]:
    """The images of the JSON files in a folder or below, or of one file.

    The split of an image is said by the name of its JSON (`instances_val2017.json`) or of a folder
    above it (`train/_annotations.coco.json`).

    Raises:
        DataError: A file contradicts itself.
    """
    paths = [root] if root.is_file() else files_below(root, (".json",))
    for path in paths:
        content = _content(path)
        if content is not None:
            yield from _images(path, content, root if root.is_dir() else root.parent, told)
        elif path == root:
            raise DataError(
                f"{root} is no JSON of boxes: wanted COCO's, with images, annotations, categories"
            )


def _content(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and set(values) >= _KEYS else None


def _images(path: Path, content: dict[str, Any], root: Path, told: Told) -> Iterator[Listed]:
    try:
        names = {one["id"]: str(one["name"]) for one in content["categories"]}
        things: dict[Any, list[Thing]] = defaultdict(list)
        numbers = {one["id"] for one in content["images"]}
        used = set()
        for one in content["annotations"]:
            where = f"{path}: the annotation {one.get('id')}"
            if one["category_id"] not in names:
                raise DataError(
                    f"{where} has the category {one['category_id']}, which is in no list of "
                    "categories"
                )
            if one["image_id"] not in numbers:
                raise DataError(
                    f"{where} is of the image {one['image_id']}, which is in no list of images"
                )
            used.add(one["category_id"])
            if one.get("iscrowd"):
                told.count("of crowds, left out", path.name)
                continue
            left, top, width, height = map(float, one["bbox"])
            box = (left, top, left + width, top + height)
            things[one["image_id"]].append(Thing(names[one["category_id"]], box))
        unused = sorted(name for number, name in names.items() if number not in used)
        # Roboflow lists a category above the others, which nothing is of.
        if unused and content["annotations"]:
            told.notes.append(f"no box in {path.name} is of {', '.join(unused)}")
        for one in content["images"]:
            written = str(one["file_name"]).replace("\\", "/")
            size = int(one.get("height") or 0), int(one.get("width") or 0)
            file = image_beside(path, written)
            yield Listed(
                file or path.parent / written,
                tuple(things.get(one["id"], ())),
                split_of(path, root),
                path.name,
                size if min(size) > 0 else None,
                "" if file else "no such file",
            )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is no complete COCO JSON: {error!r}") from None
