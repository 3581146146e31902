"""Boxes in COCO's JSON: https://cocodataset.org/#format-data."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kfine.answers.boxes.listed import Listed, Thing, Told
from kfine.answers.boxes.objects import Detections, scale_of
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


def write_coco(path: Path, names: Sequence[str], named: Sequence[tuple[Path, Detections]]) -> None:
    """Write what was found: images, categories, and annotations with a `score`.

    Args:
        path: Of the JSON.
        names: Classes; their numbers begin at 1.
        named: Images with what was found in them, sizes known. Their names are from the folder on
            that all of them are in.
    """
    root = Path(os.path.commonpath([one.absolute().parent for one, _ in named]))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (file, said) in enumerate(named, 1):
        height, width = said.size or (0, 0)
        name = file.absolute().relative_to(root).as_posix()
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for kind, score, box in zip(said.classes, said.scores, said.boxes, strict=True):
            left, top, right, bottom = (box * scale_of((height, width))).tolist()
            sides = [left, top, right - left, bottom - top]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(kind) + 1,
                    "bbox": [round(one, 2) for one in sides],
                    "area": round(sides[2] * sides[3], 2),
                    "iscrowd": 0,
                    "score": round(float(score), 4),
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


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
