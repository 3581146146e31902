"""Boxes in the XML of Pascal VOC: one file for each image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from kfine.answers.boxes.listed import SIDES, Listed, Thing, Told
from kfine.data.annotations import IMAGES, files_below, image_beside, split_of
from kfine.data.records import split_named
from kfine.errors import DataError

FORMAT = "Pascal VOC's XML"


def read_voc(root: Path, told: Told) -> Iterator[Listed]:
    """The images of the XML files in a folder or below.

    The split is said by a folder, or by the lists in `ImageSets/Main`.

    Raises:
        DataError: A file is damaged.
    """
    lists = _lists(root)
    for path in files_below(root, (".xml",)):
        try:
            top = ElementTree.parse(path).getroot()
        except ElementTree.ParseError as error:
            raise DataError(f"{path} is no XML: {error}") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        if top.tag == "annotation":
            split = lists.get(path.stem) or _above(path, root)
            yield _image(path, top, split)


def _above(path: Path, root: Path) -> str | None:
    """The split that a folder says; the names of the files are those of images."""
    return split_of(path.parent / "annotation.xml", root)


def _image(path: Path, top: ElementTree.Element, split: str | None) -> Listed:
    written = (top.findtext("filename") or "").strip().replace("\\", "/")
    names = [written, *(f"{path.stem}{ending}" for ending in IMAGES)]
    beside = (image_beside(path, one) for one in names if one)
    file = next(filter(None, beside), None)
    size = top.find("size")
    height, width = (_whole(size, one) for one in ("height", "width"))
    things = tuple(_thing(path, one) for one in top.iter("object"))
    return Listed(
        file or path.parent / (written or path.stem),
        things,
        split,
        path.name,
        (height, width) if height and width else None,
        "" if file else "no such file",
    )


def _thing(path: Path, one: ElementTree.Element) -> Thing:
    name = (one.findtext("name") or "").strip()
    box = one.find("bndbox")
    try:
        assert box is not None
        left, top, right, bottom = (float(str(box.findtext(side))) for side in SIDES)
    except (AssertionError, ValueError):
        raise DataError(
            f"{path}: an object {name!r} has no bndbox of {', '.join(SIDES)} in numbers"
        ) from None
    if not name:
        raise DataError(f"{path}: an object has no name")
    return Thing(name, (left, top, right, bottom))


def _whole(size: ElementTree.Element | None, name: str) -> int:
    text = size.findtext(name) if size is not None else None
    try:
        return int(float(text or 0))
    except ValueError:
        return 0


def _lists(root: Path) -> dict[str, str]:
    """The split of the images that `ImageSets/Main/train.txt` and others list."""
    found: dict[str, str] = {}
    for folder in (root / "ImageSets" / "Main", root / "ImageSets"):
        for path in sorted(folder.glob("*.txt")):
            split = split_named(path.stem)
            if split:
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
                found |= {line.split()[0]: split for line in lines if line.strip()}
    return found
