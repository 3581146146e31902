"""Images and their masks in folders, paired by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kfine.answers.masks.mask import Mask
from kfine.data.annotations import IMAGES, files_below
from kfine.data.records import Record, SetAside, Source, printable, split_named
from kfine.errors import DataError

_IMAGE = r"images?|imgs?|jpegimages|photos?|pictures?|leftimg8bit"
_LONG = r"masks?|labels?|annotations?|annots?|segmentationclass|segmentations?|groundtruth"
# Other words end in these.
_SHORT = r"ann|gt"
_MASK = rf"{_LONG}|{_SHORT}"
_IMAGE_FOLDER = re.compile(rf"(?P<rest>.*?)[\s_.-]*(?:{_IMAGE})", re.IGNORECASE)
_MASK_FOLDER = re.compile(
    rf"(?P<rest>.*?)(?:[\s_.-]*(?:{_LONG})|(?:^|[\s_.-]+)(?:{_SHORT}))", re.IGNORECASE
)
# As in `scan7_mask.png`.
_MASK_NAME = re.compile(rf"(?P<rest>.+?)[\s_.-](?:{_MASK}|seg|l|labelids|matte)", re.IGNORECASE)
LAYOUT = (
    "put images in a folder images and their masks, under the same names, in a folder masks beside "
    "it (each in train, val and test where there are splits), or give a .csv with path,mask "
    "or the JSON of COCO or labelme"
)


@dataclass(frozen=True)
class _Found:
    """A file, and what it is paired by: its folders without those that say image or mask."""

    path: Path
    is_mask: bool
    key: tuple[str, ...]


def read_pairs(root: Path) -> Source:
    """List the images of a folder with their masks.

    `ROOT/images/a.jpg` and `ROOT/masks/a.png`; with a split above or below
    (`ROOT/train/images/a.jpg`, `ROOT/images/train/a.jpg`), or in one word (`train_images`,
    `trainannot`); or side by side as `a.jpg` and `a_mask.png`. The folder of the masks may be
    called `labels`, `annotations`, `SegmentationClass` or the like.

    Raises:
        DataError: There are no masks, or none belongs to an image.
    """
    paths = list(files_below(root, IMAGES))
    files = [_role(path.relative_to(root), path) for path in paths]
    if not {one.key for one in files if one.is_mask} & {
        one.key for one in files if not one.is_mask
    }:
        # As in `raw_images` beside `masks`.
        files = [_role(path.relative_to(root), path, splits_only=True) for path in paths]
    masks: dict[tuple[str, ...], Path] = {}
    set_aside: list[SetAside] = []
    for one in files:
        if one.is_mask and masks.setdefault(one.key, one.path) != one.path:
            other = printable(masks[one.key].relative_to(root).as_posix())
            set_aside.append(_aside(root, one, f"{other} is a mask of the same image"))
    images = [one for one in files if not one.is_mask]
    if not images or not masks:
        raise DataError(f"{root} holds {len(images)} images and {len(masks)} masks: {LAYOUT}")
    records: dict[tuple[str, ...], Record] = {}
    for one in images:
        if one.key not in masks:
            set_aside.append(_aside(root, one, "no mask"))
        elif one.key in records:
            set_aside.append(_aside(root, one, f"{records[one.key].name} has the same name"))
        else:
            name = printable(one.path.relative_to(root).as_posix())
            records[one.key] = Record(name, Mask(masks[one.key]), _split(one.key), one.path)
    for key in sorted(set(masks) - set(records)):
        set_aside.append(_aside(root, _Found(masks[key], True, key), "a mask without an image"))
    if not records:
        first = set_aside[0]
        raise DataError(
            f"not one of the {len(images)} images in {root} has a mask of its name (the first: "
            f"{first.name}): {LAYOUT}"
        )
    ordered = sorted(records.values(), key=lambda record: record.name)
    return Source("folder", root, tuple(ordered), tuple(set_aside))


def has_masks(root: Path) -> bool:
    """Whether some image in a folder, or below it, is a mask by its name."""
    return any(_role(path.relative_to(root), path).is_mask for path in files_below(root, IMAGES))


def _aside(root: Path, one: _Found, reason: str) -> SetAside:
    return SetAside(printable(one.path.relative_to(root).as_posix()), _split(one.key), reason)


def _split(key: tuple[str, ...]) -> str | None:
    return next(filter(None, map(split_named, key[:-1])), None)


def _role(relative: Path, path: Path, *, splits_only: bool = False) -> _Found:
    """What a file is, by the folder nearest to it that says it, or by its own name.

    Args:
        relative: The file from the root.
        path: The file.
        splits_only: Whether of the name of such a folder a split alone counts.
    """
    folders = list(relative.parts[:-1])
    for place in reversed(range(len(folders))):
        for pattern, is_mask in ((_MASK_FOLDER, True), (_IMAGE_FOLDER, False)):
            found = pattern.fullmatch(folders[place])
            if found:
                counts = found["rest"] and (not splits_only or split_named(found["rest"]))
                rest = [found["rest"]] if counts else []
                key = (*folders[:place], *rest, *folders[place + 1 :])
                return _Found(path, is_mask, (*key, _stem(relative, is_mask)))
    named = _MASK_NAME.fullmatch(relative.stem)
    stem = named["rest"] if named else relative.stem
    return _Found(path, named is not None, (*folders, stem))


def _stem(relative: Path, is_mask: bool) -> str:
    """A file's name without its ending, and a mask's without what says that it is one."""
    named = _MASK_NAME.fullmatch(relative.stem) if is_mask else None
    return named["rest"] if named else relative.stem
