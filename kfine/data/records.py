"""One example, before it is read, and one that could not be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

SPLITS = ("train", "validation", "test")

_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Record:
    """One labelled example and where its content is, if it is not held elsewhere.

    Attributes:
        name: Path below the root of its source with forward slashes, or a made-up one
            such as `digits/0012`. Names are unique within a split.
        label: The class name.
        split: `train`, `validation` or `test`; None when the source does not say.
        path: The image file.
        array: The image itself, uint8 `(height, width, 3)`, where there is no file.
        content: Gives the encoded image, where it lies inside a larger file.
        together: Equal for examples that no carved split may divide, such as those of a context.
        text: The text itself, where the example is one.
        example: An example that holds its own answers, such as a question with its context.
    """

    name: str
    label: str
    split: str | None = None
    path: Path | None = None
    array: Image | None = field(default=None, compare=False, repr=False)
    content: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)
    together: str | None = field(default=None, compare=False, repr=False)
    text: str | None = field(default=None, compare=False, repr=False)
    example: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class SetAside:
    """One example that is not used, and why.

    Attributes:
        name: As in `Record`.
        split: The split that the source gives it, or None.
        reason: A few words, such as `empty file`.
    """

    name: str
    split: str | None
    reason: str


@dataclass(frozen=True)
class Source:
    """What a source says that it holds, before anything is decoded.

    Attributes:
        kind: `folder`, `manifest`, `tfds` or `digits`; `table` for texts in rows.
        root: The folder that names are relative to, if the examples are (in) files.
        records: The examples, ordered by split and name.
        set_aside: What cannot be used, as far as that is known without decoding.
        warnings: Sentences on what was ignored or looks wrong.
        notes: Sentences on how it was read, such as which columns were guessed.
    """

    kind: str
    root: Path | None
    records: tuple[Record, ...]
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def split_named(word: str) -> str | None:
    """The split that a folder name or a manifest's cell means (`val` is `validation`), or None."""
    return _SPLIT_WORDS.get(word.strip().lower())


def printable(name: str) -> str:
    """A file name as text that can be printed and saved as UTF-8.

    On Linux a name may hold bytes that are not UTF-8; these become `\\xNN`.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")
