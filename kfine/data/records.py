"""One example, before it is read, and one that could not be used."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# Called with (done, total) examples.
Progress = Callable[[int, int], None]

SPLITS = ("train", "validation", "test")

_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "validate": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
    "holdout": "test",
    "heldout": "test",
}
# As in `training_set`, `Test Images` and `train2017`.
_SPLIT_NAME = re.compile(
    rf"({'|'.join(sorted(_SPLIT_WORDS, key=len, reverse=True))})"
    r"(?:data)?(?:sets?|data|split|folder|images?|imgs?|photos|pictures|files|texts|samples|examples)?"
    r"\d*"
)


@dataclass(frozen=True)
class Record:
    """One labelled example and where its content is, if it is not held elsewhere.

    Attributes:
        name: Path below the root of its source with forward slashes, or a made-up one
            such as `digits/0012`. Names are unique within a split.
        label: The truth: a class name, or what else an answer makes of it.
        split: `train`, `validation` or `test`; None when the source does not say.
        path: The image file.
        array: The image itself, uint8 `(height, width, 3)`, where there is no file.
        content: Gives the encoded image, where it lies inside a larger file.
        together: Equal for examples that no carved split may divide, such as those of a context.
        text: The text itself, where the example is one.
        example: The example itself, where it is an object, such as a question with its context.
        stratum: What splits balance, such as the class; the label if it is a text and this empty.
    """

    name: str
    label: Any
    split: str | None = None
    path: Path | None = None
    array: Image | None = field(default=None, compare=False, repr=False)
    content: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)
    together: str | None = field(default=None, compare=False, repr=False)
    text: str | None = field(default=None, compare=False, repr=False)
    example: Any = field(default=None, compare=False, repr=False)
    stratum: str = ""

    @property
    def balanced(self) -> str:
        """The stratum, in words."""
        return self.stratum or str(self.label)

    @property
    def plain_label(self) -> Any:
        """The label where JSON can say it; `None` where an object or a file holds it."""
        held = self.example is not None or hasattr(self.label, "written")
        return None if held else self.label

    @property
    def written(self) -> str:
        """The label as a text that is equal for equal ones; the stratum of what is an object.

        The content hash of an object covers its label too.
        """
        if isinstance(self.label, str):
            return self.label
        if hasattr(self.label, "written"):  # in a file of its own
            return str(self.label.written)
        return self.balanced if self.example is not None else json.dumps(self.label, sort_keys=True)


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
        columns: Setting of a recipe -> column that was read, where the source is a table.
    """

    kind: str
    root: Path | None
    records: tuple[Record, ...]
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


def split_named(word: str) -> str | None:
    """The split that a folder name or a manifest's cell means, or None.

    `val`, `Valid-Set` and `validation_images` are `validation`.
    """
    found = _SPLIT_NAME.fullmatch(re.sub(r"[\s_.-]+", "", word).lower())
    return _SPLIT_WORDS[found[1]] if found else None


def printable(name: str) -> str:
    """A file name as text that can be printed and saved as UTF-8.

    On Linux a name may hold bytes that are not UTF-8; these become `\\xNN`.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class NearDuplicate:
    """A held-out text and the training text that is most like it.

    Attributes:
        split: `validation` or `test`.
        name: The held-out text.
        train_name: The training text.
        similarity: From 0.9 to 1, which means equal but for case, punctuation and space.
    """

    split: str
    name: str
    train_name: str
    similarity: float
