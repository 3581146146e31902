"""Masks as the labels of images: found, opened once, and checked against the images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kfine.answers.masks.legend import FILES, Legend, names_in, read_legend
from kfine.answers.masks.mask import Mask, open_mask, read_pixels
from kfine.answers.masks.outlines import BACKGROUND, outline_files, read_outlines
from kfine.answers.masks.pairs import LAYOUT, has_masks, read_pairs
from kfine.data.annotations import in_pixels, upright_size
from kfine.data.files import read_file
from kfine.data.labels import rarest_names
from kfine.data.records import Record, SetAside, Source, printable
from kfine.data.sources import existing_path
from kfine.data.tables import SUFFIXES, cell_text
from kfine.data.threads import decoding_threads
from kfine.errors import ConfigError, DataError

# Share of the pixels; more that do not count are warned of.
_MUCH = 0.2
_LOOKED_AT = 20
# More values than that are no classes: the file is a photo.
_MOST_CLASSES = 64


@dataclass(frozen=True)
class MaskFiles:
    """Each label is a `Mask`.

    Attributes:
        listed: Names of the classes with commas between, or a file of them; found beside the
            images if empty.
        ignore: Names that do not count, with commas between; `None` for the usual ones.
    """

    listed: str = ""
    ignore: str | None = None
    classes: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]] = ("mask",)

    def read_source(self, data: str) -> Source:
        """List the images of a folder or manifest with their masks.

        An image whose mask is damaged, of another size, or of values without a class is set aside.

        Raises:
            DataError: There is nothing to learn from.
        """
        path = existing_path(data, "a folder with images and masks, or a .csv with path,mask")
        if path.suffix.lower() == ".json" or (path.is_dir() and not has_masks(path)):
            files = outline_files(path)
            if files:
                return self._outlined(read_outlines(path, files))
        if path.is_dir():
            source = read_pairs(path)
        elif path.suffix.lower() in SUFFIXES:
            from kfine.data.manifest import read_manifest

            found = read_manifest(path, self)
            records = [_beside(record, path.parent) for record in found.records]
            source = replace(found, records=tuple(records))
        else:
            raise DataError(f"{data} is a file of a kind that lists no masks: {LAYOUT}")
        assert source.root is not None
        legend, notes = read_legend(source.root, self.listed, self.ignore), []
        if legend is None:
            legend = _found_in(source)
            notes.append(
                f"the classes are called {', '.join(legend.names)} by the values in the masks: "
                f"nothing names them ({', '.join(FILES[:3])} and so on, or --classes)"
            )
        elif legend.ignored:
            notes.append(f"pixels of {', '.join(sorted(legend.ignored))} do not count")
        if set(legend.values) == {0, 1} and _black_and_white(source):
            legend = replace(legend, values={0: legend.values[0], 255: legend.values[1]})
            notes.append(f"255 in the masks stands for {legend.values[255]}")
        source = _usable(source, lambda record: open_mask(record.label.path, legend), "its mask")
        source = replace(source, notes=(*source.notes, *notes))
        lost = _uncounted([record.label for record in source.records])
        if lost <= _MUCH:
            return source
        return replace(source, warnings=(*source.warnings, _said(lost)))

    def _outlined(self, source: Source) -> Source:
        """Outlines name their classes; some of them may be left out of the count."""
        if self.listed:
            raise ConfigError("Outlines name their classes; leave classes out.")
        there = {name for record in source.records for name in record.label.present}
        legend = Legend(dict(enumerate(sorted(there))))
        ignored = names_in(self.ignore or "")
        legend.without(ignored)

        def counted(record: Record) -> Any:
            label = record.label
            counts = {name: n for name, n in label.counts.items() if name not in ignored}
            return replace(label, counts=counts)

        return _usable(source, counted, "its JSON says")

    def read(self, cells: Sequence[Any]) -> Mask:
        """The mask of a manifest's row."""
        (cell,) = cells
        written = cell_text(cell)
        if not written:
            raise DataError("no mask")
        return Mask(Path(written).expanduser())

    def strata(self, labels: Sequence[Any]) -> list[str]:
        """The class in the fewest masks of each, see `rarest_names`."""
        return rarest_names([one.present for one in labels], "")

    def names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        """The classes, in the order of the legend, that some mask has.

        Raises:
            DataError: There are fewer than two.
        """
        rows = list(labels)
        there = {name for one in rows for name in one.present}
        # Of outlines the background comes first, as in masks.
        legend = getattr(rows[0], "legend", None) if rows else None
        order = legend.names if legend else sorted(there, key=lambda n: (n != BACKGROUND, n))
        found = tuple(name for name in order if name in there)
        if len(found) < 2:
            lost = _uncounted(rows)
            raise DataError(
                f"all {len(rows)} masks hold {' and '.join(found) or 'no class'} alone: there is "
                f"nothing to tell apart{'; ' + _said(lost) if lost else ''}"
            )
        return found

    def counted(self, label: Any) -> Iterable[str]:
        """The classes in a mask."""
        return tuple(label.present)

    def missing(self, label: Any) -> Iterable[str]:
        """A mask has no parts."""
        return ()


def _beside(record: Record, folder: Path) -> Record:
    """A manifest's row, whose mask is given from the folder of the manifest."""
    return replace(record, label=Mask(folder / record.label.path))


def _uncounted(labels: Sequence[Any]) -> float:
    """The share of the pixels of some masks that are of no class which counts."""
    every = sum(one.size[0] * one.size[1] for one in labels)
    return 1 - sum(sum(one.counts.values()) for one in labels) / max(1, every)


def _said(lost: float) -> str:
    return (
        f"{lost:.0%} of the pixels of the masks do not count: their class is ignored, or their "
        "value is 255 and no class has it"
    )


def _values_in(records: Sequence[Record]) -> list[set[int] | None]:
    """The values in the mask of each; none of colours alone, `None` of what cannot be read."""

    def values(record: Record) -> set[int] | None:
        try:
            pixels = read_pixels(read_file(record.label.path))
        except DataError:
            return None  # set aside, with the reason, where it is opened
        return set() if pixels.values is None else set(np.unique(pixels.values).tolist())

    with decoding_threads() as pool:
        return list(pool.map(values, records))


def _black_and_white(source: Source) -> bool:
    """Whether the first masks hold 0 and 255 and nothing else."""
    found = [one for one in _values_in(source.records[:_LOOKED_AT]) if one is not None]
    return all(found) and set().union(*found) - {0} == {255}


def _found_in(source: Source) -> Legend:
    """A legend of the values that the masks hold, called by them."""
    found = _values_in(source.records)
    for record, values in zip(source.records, found, strict=True):
        if values == set():
            raise DataError(
                f"the mask {record.label.path.name} has colours, and nothing says what they stand "
                f"for: put a labelmap.txt (road:128,64,128::) or a class_dict.csv (name,r,g,b) "
                f"into {source.root}, or give one with --classes"
            )
    there = [one for one in found if one is not None]
    seen = set().union(*there)
    two = sum(one <= {0, 255} for one in there)
    if 255 in seen and two > 0.9 * len(source.records):
        # Drawn to be looked at: black and white. A stray one is set aside for its values.
        return Legend({0: "background", 255: "object"}, source="values")
    values_of_classes = sorted(seen - {255})
    if len(values_of_classes) > _MOST_CLASSES:
        raise DataError(
            f"the masks hold {len(values_of_classes)} different values: a mask has the number of a "
            "class in each pixel"
        )
    return Legend({value: f"class {value}" for value in values_of_classes}, source="values")


def _usable(source: Source, label_of: Callable[[Record], Any], said: str) -> Source:
    """The images whose truth has their size and something that counts.

    Args:
        source: The images.
        label_of: The label of one, or a `DataError` with a short reason.
        said: What says the size of a label.

    Raises:
        DataError: There are none.
    """

    def label_or_reason(record: Record) -> Any:
        try:
            label = label_of(record)
        except DataError as error:
            return str(error)
        size = upright_size(record.path)
        if size is not None and size != label.size:
            return f"the image has {in_pixels(size)}, {said} {in_pixels(label.size)}"
        return label if label.present else "its mask has no pixel that counts"

    kept, set_aside = [], list(source.set_aside)
    with decoding_threads() as pool:
        labels = list(pool.map(label_or_reason, source.records))
    for record, label in zip(source.records, labels, strict=True):
        if isinstance(label, str):
            set_aside.append(SetAside(record.name, record.split, label))
        else:
            kept.append(replace(record, label=label))
    if not kept:
        first = set_aside[0]
        raise DataError(
            f"none of the {len(set_aside)} images of {printable(str(source.root))} can be used "
            f"(the first, {first.name}: {first.reason})"
        )
    return replace(source, records=tuple(kept), set_aside=tuple(set_aside))
