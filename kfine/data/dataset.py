"""A labelled image data set, decoded once, with what was found out about it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kfine.data.checks import (
    check_decoded,
    check_known_labels,
    check_labels,
    check_training,
    content_warnings,
    find_shared,
)
from kfine.data.decoding import DecodedImages, Progress, decode_images
from kfine.data.records import SPLITS, SetAside, Source
from kfine.data.sources import read_source
from kfine.data.split import Rows, Split
from kfine.data.splits import assign_splits, restore_splits

__all__ = ["Data", "Split", "load_for_evaluation", "load_images"]


@dataclass(frozen=True)
class Data:
    """A data set and the truth about it.

    Attributes:
        source: What the user gave.
        kind: `folder`, `manifest`, `tfds` or `digits`.
        class_names: In the order of the labels' numbers.
        splits: By name; train comes first.
        set_aside: What could not be used.
        warnings: Sentences on what looks wrong.
        notes: Sentences on how the splits were made.
        shared: Content hash and (split, name) of content that is in two splits.
    """

    source: str
    kind: str
    class_names: tuple[str, ...]
    splits: dict[str, Split]
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    shared: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    @property
    def train(self) -> Split:
        """The training split."""
        return self.splits["train"]

    @property
    def validation(self) -> Split | None:
        """The validation split, if there is one."""
        return self.splits.get("validation")

    @property
    def test(self) -> Split | None:
        """The test split, if there is one."""
        return self.splits.get("test")

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the sorted (split, content hash, label) of all examples used."""
        lines = sorted(
            f"{split.name}\t{digest}\t{record.label}\n"
            for split in self.splits.values()
            for digest, record in zip(split.digests, split.records, strict=True)
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def summary(self) -> dict[str, Any]:
        """What was seen, used and set aside, ready for JSON.

        A broken file of a source without splits counts as training: it would have been carved
        from there.
        """
        aside = Counter(item.split or "train" for item in self.set_aside)
        splits = {}
        for name in (name for name in SPLITS if name in self.splits or aside[name]):
            records = self.splits[name].records if name in self.splits else ()
            counts = Counter(record.label for record in records)
            splits[name] = {
                "seen": len(records) + aside[name],
                "used": len(records),
                "set_aside": aside[name],
                "per_class": {label: counts[label] for label in self.class_names},
            }
        return {
            "source": self.source,
            "kind": self.kind,
            "class_names": list(self.class_names),
            "splits": splits,
            "set_aside": [vars(item) for item in self.set_aside],
            "shared": [
                {"digest": digest, "files": [{"split": s, "name": n} for s, n in places]}
                for digest, places in self.shared
            ],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "fingerprint": self.fingerprint,
        }

    def split_lists(self) -> dict[str, list[dict[str, str]]]:
        """Which example is where, ready for JSON: `load_images` takes it back."""
        return {
            name: [
                {"name": record.name, "label": record.label, "digest": digest}
                for record, digest in zip(split.records, split.digests, strict=True)
            ]
            for name, split in self.splits.items()
        }


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
    source = read_source(data)
    class_names, warnings = check_labels(source.records)
    images = decode_images(
        source.records,
        image_size,
        memory_budget=memory_budget,
        cache_folder=cache_folder,
        progress=progress,
    )
    check_decoded(class_names, images.records, images.set_aside)
    if split_lists is None:
        records, notes = assign_splits(
            images.records,
            validation_split=validation_split,
            test_split=test_split,
            seed=seed,
            digests=images.digests,
        )
    else:
        records, notes = restore_splits(images.records, images.digests, split_lists)
    check_training(class_names, records)
    images.records = records
    return _assemble(data, source, class_names, images, warnings, notes)


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
    source = read_source(data)
    tests = tuple(record for record in source.records if record.split == "test")
    chosen = tests or source.records
    note = f"scored on {'the test split' if tests else 'everything'} of {data}: {len(chosen)} of "
    note += f"{len(source.records)} examples"
    set_aside = [item for item in source.set_aside if not tests or item.split == "test"]
    source = replace(
        source,
        records=tuple(replace(record, split="test") for record in chosen),
        set_aside=tuple(replace(item, split="test") for item in set_aside),
    )
    check_known_labels(source.records, class_names)
    images = decode_images(
        source.records,
        image_size,
        memory_budget=memory_budget,
        cache_folder=cache_folder,
        progress=progress,
    )
    check_decoded((), images.records, images.set_aside)
    return _assemble(data, source, tuple(class_names), images, [], [note])


def _assemble(
    data: str,
    source: Source,
    class_names: tuple[str, ...],
    images: DecodedImages,
    warnings: list[str],
    notes: list[str],
) -> Data:
    numbers = {name: number for number, name in enumerate(class_names)}
    splits = {}
    for name in SPLITS:
        members = [i for i, record in enumerate(images.records) if record.split == name]
        members.sort(key=lambda i: images.records[i].name)
        if members:
            records = tuple(images.records[i] for i in members)
            splits[name] = Split(
                name=name,
                inputs=Rows(images.store, [images.rows[i] for i in members]),
                labels=np.array([numbers[record.label] for record in records], np.int32),
                names=tuple(record.name for record in records),
                digests=tuple(images.digests[i] for i in members),
                records=records,
            )
    found = list(zip(images.digests, images.records, strict=True))
    shared = find_shared((digest, record.split or "", record.name) for digest, record in found)
    return Data(
        source=data,
        kind=source.kind,
        class_names=class_names,
        splits=splits,
        set_aside=(*source.set_aside, *images.set_aside),
        warnings=(*source.warnings, *warnings, *content_warnings(found, shared)),
        notes=tuple(notes),
        shared=shared,
    )
