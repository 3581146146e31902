"""Images of a source, decoded once, as a labelled data set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kfine.data.assembly import Examples, load_examples, load_test_examples
from kfine.data.decoding import Progress, decode_images
from kfine.data.kept_images import KeptImages
from kfine.data.labelled import Data
from kfine.data.records import Record
from kfine.data.sources import read_source
from kfine.data.split import Rows, Split

__all__ = ["Data", "Split", "load_for_evaluation", "load_images"]


def load_images(
    data: str,
    *,
    image_size: tuple[int, int],
    validation_split: float,
    test_split: float,
    seed: int,
    memory_budget: int,
    cache_folder: Path,
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
        cache_folder: Where that file lies.
        split_lists: What `Data.split_lists` of a former run gave: its images keep their split.
        progress: Called with (done, total) after each image.

    Raises:
        DataError: Nothing to learn from, or no room for the decoded images.
    """
    return load_examples(
        data,
        read_source(data),
        partial(_decoded, image_size, memory_budget, cache_folder, progress),
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        split_lists=split_lists,
    )


def load_for_evaluation(
    data: str,
    *,
    class_names: Sequence[str],
    image_size: tuple[int, int],
    memory_budget: int,
    cache_folder: Path,
    progress: Progress | None = None,
) -> Data:
    """Read a source to score a trained model on: one split, called test.

    Its test split if it has one, else everything in it.

    Args:
        data: As in `read_source`.
        class_names: What the model was trained on, in its order.
        image_size: Height and width in pixels.
        memory_budget: Bytes of decoded images that may lie in memory; more go to a file.
        cache_folder: Where that file lies.
        progress: Called with (done, total) after each image.

    Raises:
        DataError: A label that the model does not know, or nothing that can be read.
    """
    return load_test_examples(
        data,
        read_source(data),
        partial(_decoded, image_size, memory_budget, cache_folder, progress),
        class_names,
    )


def _decoded(
    image_size: tuple[int, int],
    memory_budget: int,
    cache_folder: Path,
    progress: Progress | None,
    records: Sequence[Record],
) -> Examples:
    images = decode_images(
        records,
        image_size,
        memory_budget=memory_budget,
        cache_folder=cache_folder,
        kept=KeptImages(image_size),
        progress=progress,
    )

    def inputs(numbers: Sequence[int]) -> Rows:
        return Rows(images.store, [images.rows[number] for number in numbers])

    return Examples(images.records, images.digests, inputs, images.set_aside)
