"""Boxes as labels of images: found in the formats that annotation tools write, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from kfine.answers.boxes import coco, voc, yolo
from kfine.answers.boxes.listed import Listed, Told, boxed, same
from kfine.answers.boxes.objects import Boxed
from kfine.answers.boxes.table import COLUMNS, read_boxes
from kfine.data.annotations import IMAGES, files_below, in_pixels, upright_size
from kfine.data.files import tables_in
from kfine.data.labels import rarest_names
from kfine.data.records import Record, SetAside, Source, printable
from kfine.data.sources import existing_path
from kfine.data.tables import SUFFIXES
from kfine.data.threads import decoding_threads
from kfine.errors import DataError

_TABLE = f"a .csv or .jsonl with {','.join(COLUMNS)}"
_KINDS = f"a folder with images and {coco.FORMAT}, {voc.FORMAT} or {yolo.FORMAT}; or {_TABLE}"


@dataclass(frozen=True)
class BoxFiles:
    """Each label is a `Boxed`."""

    classes: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]] = COLUMNS

    def read_source(self, data: str) -> Source:
        """List the images of a folder or file with their objects.

        Images that are missing, of another size than their annotation says, or of which two files
        say different things are set aside; boxes that cannot be are counted.

        Raises:
            DataError: There is nothing to learn from, or a file is damaged.
        """
        path = existing_path(data, _KINDS)
        told = Told()
        formats = [(name, list(found)) for name, found in _formats(path, told)]
        formats = [(name, found) for name, found in formats if found]
        if not formats:
            raise DataError(_nothing(path))
        root = path if path.is_dir() else path.parent
        (_, listed), *others = formats
        source = _source(root, listed, told)
        for name, other in others:
            source = _compared(source, root, other, name)
        if path.is_dir():
            source = _with_unlisted(source, root, listed)
        return source

    def read(self, cells: Sequence[Any]) -> Any:
        """Objects have rows of their own."""
        raise NotImplementedError("an image has many rows")

    def strata(self, labels: Sequence[Any]) -> list[str]:
        """The class that the fewest images have, see `rarest_names`."""
        return rarest_names([one.present for one in labels], "")

    def names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        """All classes, in alphabetical order.

        Raises:
            DataError: There is no object.
        """
        rows = list(labels)
        found = sorted({name for one in rows for name in one.classes})
        if not found:
            raise DataError(f"there is no object in any of the {len(rows)} images")
        return tuple(found)

    def counted(self, label: Any) -> Iterable[str]:
        """The class of each object."""
        return tuple(label.classes)

    def missing(self, label: Any) -> Iterable[str]:
        """An image may have no objects."""
        return ()


def _formats(path: Path, told: Told) -> Iterator[tuple[str, Iterable[Listed]]]:
    """The formats that a folder or file is in, with its images."""
    if path.is_dir():
        yield coco.FORMAT, coco.read_coco(path, told)
        yield voc.FORMAT, voc.read_voc(path, told)
        if yolo.is_yolo(path):
            yield yolo.FORMAT, yolo.read_yolo(path, told)
    elif path.suffix.lower() == ".json":
        yield coco.FORMAT, coco.read_coco(path, told)
    elif path.suffix.lower() in (".yaml", ".yml"):
        yield yolo.FORMAT, yolo.read_yolo(path, told)
    elif path.suffix.lower() in SUFFIXES:
        yield "table", read_boxes(path, told)
    else:
        raise DataError(f"{path} is a file of a kind that lists no boxes: wanted {_KINDS}")


def _nothing(path: Path) -> str:
    if not path.is_dir():
        return f"{path} lists no images: wanted {_KINDS}"
    count = sum(1 for _ in files_below(path, IMAGES))
    tables = [one.name for one in tables_in(path)]
    instead = f"; give the table itself, {path / tables[0]}" if tables else ""
    return (
        f"{path} holds {count} images and no annotation: looked for {coco.FORMAT}, {voc.FORMAT} "
        f"and {yolo.FORMAT}{instead}"
    )


def _source(root: Path, listed: Sequence[Listed], told: Told) -> Source:
    records: dict[tuple[str, str | None], Record] = {}
    set_aside: list[SetAside] = []
    for one, label in zip(listed, _labels(root, listed, told), strict=True):
        name = _name(root, one.file)
        first = records.get((name, one.split))
        if isinstance(label, str):
            set_aside.append(SetAside(name, one.split, label))
        elif first is None:
            records[name, one.split] = Record(name, label, one.split, one.file)
        elif same(first.label, label):
            set_aside.append(SetAside(name, one.split, f"listed twice ({one.by})"))
        else:
            raise DataError(
                f"{one.by} lists {name} with {len(label.boxes)} boxes, and "
                f"{_by(listed, one)} with {len(first.label.boxes)} others: keep one of them"
            )
    if not records:
        first_aside = set_aside[0]
        raise DataError(
            f"none of the {len(set_aside)} images of {printable(str(root))} can be used (the "
            f"first, {first_aside.name}: {first_aside.reason}); images lie beside what lists them"
        )
    ordered = sorted(records.values(), key=lambda record: (record.name, record.split or ""))
    warnings, notes = tuple(told.warnings), tuple(told.notes)
    return Source("boxes", root, tuple(ordered), tuple(set_aside), warnings, notes)


def _by(listed: Sequence[Listed], other: Listed) -> str:
    """What lists the same image first."""
    return next(one.by for one in listed if one.file == other.file)


def _labels(root: Path, listed: Sequence[Listed], told: Told) -> list[Boxed | str]:
    """The label of each image, or why it cannot be used."""
    with decoding_threads() as pool:
        sizes = list(pool.map(lambda one: None if one.wrong else upright_size(one.file), listed))
    found: list[Boxed | str] = []
    for one, size in zip(listed, sizes, strict=True):
        if one.wrong:
            found.append(one.wrong)
        elif size is not None and one.size is not None and size != one.size:
            found.append(f"the image has {in_pixels(size)}, {one.by} says {in_pixels(one.size)}")
        else:
            # What cannot be read is said where it is decoded.
            found.append(boxed(one.things, size or one.size or (1, 1), _name(root, one.file), told))
    return found


def _compared(source: Source, root: Path, other: Sequence[Listed], name: str) -> Source:
    """Without the images of which a second format says something else."""
    twice = {_name(root, one.file): one for one in other}
    labels = dict(zip(twice, _labels(root, list(twice.values()), Told()), strict=True))
    kept, set_aside, agreed = [], list(source.set_aside), 0
    for record in source.records:
        label = labels.get(record.name)
        if isinstance(label, Boxed) and not same(label, record.label):
            reason = (
                f"{twice[record.name].by} has {len(label.boxes)} boxes, and another file "
                f"{len(record.label.boxes)} others"
            )
            set_aside.append(SetAside(record.name, record.split, reason))
            continue
        agreed += isinstance(label, Boxed)
        kept.append(record)
    if not kept:
        raise DataError(
            f"two kinds of annotation files in {root} contradict each other for every image (the "
            f"first, {set_aside[-1].name}: {set_aside[-1].reason}): give one of them"
        )
    notes = (*source.notes, f"{name} says the same of {agreed} images") if agreed else source.notes
    return replace(source, records=tuple(kept), set_aside=tuple(set_aside), notes=notes)


def _with_unlisted(source: Source, root: Path, listed: Sequence[Listed]) -> Source:
    """With the images of the folder that no file speaks of among those set aside."""
    there = {one.file.resolve() for one in listed}
    unlisted = [path for path in files_below(root, IMAGES) if path.resolve() not in there]
    aside = tuple(SetAside(_name(root, path), None, "in no annotation") for path in unlisted)
    return replace(source, set_aside=(*source.set_aside, *aside))


def _name(root: Path, file: Path) -> str:
    inside = file.is_relative_to(root)
    if not inside and file.is_relative_to(root.resolve()):
        return printable(file.relative_to(root.resolve()).as_posix())
    return printable((file.relative_to(root) if inside else file).as_posix())
