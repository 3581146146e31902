"""Boxes in the text files of YOLO: one for each image, a line for each object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfine.answers.boxes.listed import Listed, Thing, Told
from kfine.data.annotations import IMAGES, files_below, split_of
from kfine.data.records import SPLITS, split_named
from kfine.errors import DataError

FORMAT = "YOLO's text files with a data.yaml"
_YAML = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_NAMES = ("classes.txt", "obj.names", "names.txt", "labels.txt")
# Rounding makes a box that ends at the edge a little larger.
_LARGEST = 1.01


def is_yolo(root: Path) -> bool:
    """Whether a folder has a `labels` folder with text files, or a data.yaml."""
    if any((root / name).is_file() for name in _YAML):
        return True
    texts = (path for path in files_below(root, (".txt",)) if path.name not in _NAMES)
    return any("labels" in path.relative_to(root).parts[:-1] or _image_of(path) for path in texts)


def read_yolo(root: Path, told: Told) -> Iterator[Listed]:
    """The images of a folder, or of its data.yaml, each with its text file.

    An image without a text file has no objects.

    Raises:
        DataError: A line is none of a class and a box in fractions of width and height.
    """
    described: dict[str, Any] = {}
    if root.is_file():
        described, root = _described(root), root.parent
    else:
        path = next((root / one for one in _YAML if (root / one).is_file()), None)
        described = _described(path) if path else {}
    names = _names(root, described)
    if names is None:
        told.notes.append(
            "the classes are called by their numbers: no data.yaml or classes.txt names them"
        )
    splits = _splits(root, described)
    without = 0
    for image in files_below(root, IMAGES):
        text = _text_of(image)
        above = [place for place in splits if image.is_relative_to(place)]
        split = splits[max(above, key=lambda one: len(one.parts))] if above else None
        if splits and split is None:
            continue
        if split is None:
            split = split_of(image.parent / "image.jpg", root)
        things = tuple(_things(text, names)) if text else ()
        without += text is None
        yield Listed(image, things, split, text.name if text else "")
    if without:
        told.notes.append(f"{without} images have no text file: nothing is in them")


def _described(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} is no data.yaml with names, train and val")
    return found


def _names(root: Path, described: dict[str, Any]) -> dict[int, str] | None:
    names = described.get("names")
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, dict):
        try:
            return {int(number): str(name) for number, name in names.items()}
        except (TypeError, ValueError):
            raise DataError("the names in data.yaml have keys that are no numbers") from None
    for path in (folder / one for folder in (root, root / "labels") for one in _NAMES):
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            return dict(enumerate(line.strip() for line in lines if line.strip()))
    return None


def _splits(root: Path, described: dict[str, Any]) -> dict[Path, str]:
    """Folder of images -> the split that a data.yaml gives it."""
    base = root / str(described.get("path") or ".")
    found: dict[Path, str] = {}
    for key, value in described.items():
        split = split_named(str(key))
        if split not in SPLITS or value is None:
            continue
        for written in value if isinstance(value, list) else [value]:
            # Roboflow writes `../train/images` for what lies beside the file.
            plain = str(written).replace("\\", "/")
            places = [base / plain, root / plain, root / plain.removeprefix("../")]
            place = next((one.resolve() for one in places if one.is_dir()), None)
            if place is not None and place.is_relative_to(root.resolve()):
                found[root / place.relative_to(root.resolve())] = split
    return found


def _text_of(image: Path) -> Path | None:
    """`labels/a.txt` of `images/a.jpg`, or `a.txt` beside it."""
    parts = list(image.parts)
    places = [image.with_suffix(".txt")]
    for place in range(len(parts) - 2, -1, -1):
        if parts[place].lower() == "images":
            places.insert(
                0, Path(*parts[:place], "labels", *parts[place + 1 :]).with_suffix(".txt")
            )
            break
    else:
        places.append(image.parent / "labels" / f"{image.stem}.txt")
    return next((one for one in places if one.is_file() and one.name not in _NAMES), None)


def _image_of(text: Path) -> bool:
    return any(text.with_suffix(ending).is_file() for ending in IMAGES)


def _things(path: Path, names: dict[int, str] | None) -> Iterator[Thing]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        where = f"{path}, line {number}"
        try:
            kind, values = int(float(words[0])), [float(word) for word in words[1:]]
        except ValueError:
            raise DataError(
                f"{where} is no class and box in numbers. Received: {line[:80]}"
            ) from None
        outline = len(values) >= 6 and len(values) % 2 == 0
        if len(values) not in (4, 5) and not outline:
            raise DataError(
                f"{where}: wanted a class, x and y of the middle, width and height. Received: "
                f"{line[:80]}"
            )
        if max(values) > _LARGEST:
            raise DataError(
                f"{where}: the box is in pixels; YOLO's are fractions of the image's width and "
                f"height, 0 to 1. Received: {line[:80]}"
            )
        if names is not None and kind not in names:
            raise DataError(
                f"{where}: no class has the number {kind}; the names are "
                f"{', '.join(names.values())}"
            )
        name = names[kind] if names is not None else f"class {kind}"
        if outline:
            x, y = values[::2], values[1::2]
            yield Thing(name, (min(x), min(y), max(x), max(y)), relative=True)
            continue
        x_middle, y_middle, width, height = values[:4]
        left, top = x_middle - width / 2, y_middle - height / 2
        yield Thing(name, (left, top, left + width, top + height), relative=True)
