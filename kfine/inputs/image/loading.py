"""Images of a source, decoded once, as a labelled data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kfine.data.assembly import Examples, load_examples
from kfine.data.cache import cache_folder
from kfine.data.labelled import Data
from kfine.data.labels import CLASS_LABELS, Known, LabelReader
from kfine.data.records import Image, Progress, Record
from kfine.data.sources import read_source
from kfine.data.split import Rows
from kfine.inputs.image.decoding import decode_images, load_record
from kfine.inputs.image.examiner import ImageExaminer
from kfine.inputs.image.kept import KeptImages
from kfine.inputs.image.white import find_white


def load_images(
    data: str,
    *,
    image_size: tuple[int, int],
    validation_split: float = 0.0,
    test_split: float = 0.0,
    seed: int = 0,
    memory_budget: int,
    folder: Path | None = None,
    labels: LabelReader = CLASS_LABELS,
    white: float | None = None,
    like: Known | None = None,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read a source, decode each image once, and make the splits that are missing.

    Labels are checked before anything is decoded, and again with what could be decoded.

    Args:
        data: As in `read_source`.
        image_size: Height and width in pixels that all images are resized to.
        validation_split: Fraction 0 to 1 of the training images, if there is no such split.
        test_split: The same for the test.
        seed: Decides which images are carved.
        memory_budget: Bytes of decoded images that may lie in memory; more go to a file.
        folder: Where that file lies; the shared cache if omitted.
        labels: How labels are read from a manifest.
        white: What counts as white in images of more than 8 bits; found in them if omitted, see
            `find_white`.
        like: What a trained model knows, to score it: there is then one split, test, which is the
            source's own or else everything.
        split_lists: What `Data.split_lists` of a former run gave: its images keep their split.
        progress: Called with (done, total) after each image.

    Raises:
        DataError: Nothing to learn from, a label that the model does not know, or no room for the
            decoded images.
    """
    source = read_source(data, labels)
    found = find_white(source.records) if white is None else None
    if found is not None:
        white = found.value
        source = replace(source, notes=(*source.notes, found.note()))
    read = partial(_decoded, image_size, memory_budget, folder or cache_folder(), progress, white)
    settings = {} if white is None else {"white": white}
    loaded = load_examples(
        data,
        source,
        read,
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        split_lists=split_lists,
        labels=labels,
        like=like,
    )
    return replace(loaded, settings=settings)


def _decoded(
    image_size: tuple[int, int],
    memory_budget: int,
    folder: Path,
    progress: Progress | None,
    white: float | None,
    records: Sequence[Record],
) -> Examples:
    images = decode_images(
        records,
        image_size,
        memory_budget=memory_budget,
        cache_folder=folder,
        kept=KeptImages(image_size, white),
        white=white,
        progress=progress,
    )

    def inputs(numbers: Sequence[int]) -> Rows:
        return Rows(images.store, [images.rows[number] for number in numbers])

    return Examples(
        images.records,
        images.digests,
        inputs,
        images.set_aside,
        read=partial(_original, white=white),
        warnings=_flat_warning(images.flat, len(images.records)),
        examiner=ImageExaminer(),
    )


def _original(record: Record, white: float | None) -> Image:
    return load_record(record, white)[0]


def _flat_warning(names: Sequence[str], count: int) -> list[str]:
    if not names:
        return []
    shown = ", ".join(names[:3]) + (" and so on" if len(names) > 3 else "")
    return [f"{len(names)} of {count} images are nearly black or nearly white all over: {shown}"]
