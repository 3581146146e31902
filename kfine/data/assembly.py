"""From a source and a way to read its examples to a labelled data set, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
from kfine.data.labelled import Data
from kfine.data.records import SPLITS, Record, SetAside, Source
from kfine.data.split import Inputs, Split
from kfine.data.splits import assign_splits, restore_splits
from kfine.errors import DataError


@dataclass(frozen=True)
class Examples:
    """What could be read of a source.

    Attributes:
        records: The examples that could be read.
        digests: Their content hashes.
        inputs: Gives the inputs of the examples with these numbers.
        set_aside: The examples that could not be read.
        together: Equal for examples that no carved split may divide; the digests if empty.
    """

    records: Sequence[Record]
    digests: Sequence[str]
    inputs: Callable[[Sequence[int]], Inputs]
    set_aside: Sequence[SetAside] = ()
    together: Sequence[str] = ()


ReadExamples = Callable[[Sequence[Record]], Examples]


def load_examples(
    data: str,
    source: Source,
    read: ReadExamples,
    *,
    validation_split: float,
    test_split: float,
    seed: int,
    split_lists: dict[str, Any] | None = None,
    classes: bool = True,
) -> Data:
    """Check, read and divide the examples of a source to train on.

    Labels are checked before anything is read, and again with what could be read.

    Args:
        data: What the user gave.
        source: What it holds.
        read: Reads the contents of records.
        validation_split: Fraction 0 to 1 of the training examples, if there is no such split.
        test_split: The same for the test.
        seed: Decides which examples are carved.
        split_lists: What `Data.split_lists` of a former run gave: its examples keep their split.
        classes: Whether the labels are what is learned, so that there must be two or more, each
            in training; else they only say what is alike.

    Raises:
        DataError: Nothing to learn from.
    """
    class_names: tuple[str, ...] = tuple(sorted({record.label for record in source.records}))
    warnings: list[str] = []
    if classes:
        class_names, warnings = check_labels(source.records)
    examples = read(source.records)
    check_decoded(class_names if classes else (), examples.records, examples.set_aside)
    if split_lists is None:
        records, notes = assign_splits(
            examples.records,
            validation_split=validation_split,
            test_split=test_split,
            seed=seed,
            digests=examples.together or examples.digests,
        )
    else:
        records, notes = restore_splits(examples.records, examples.digests, split_lists)
    check_training(class_names if classes else (), records)
    if validation_split > 0 and not any(one.split == "validation" for one in records):
        raise DataError(
            "no example is left to validate on: too few differ from those that train; add other "
            "examples, or give a validation split"
        )
    examples = replace(examples, records=records)
    return _assemble(data, source, class_names, examples, warnings, notes)


def load_test_examples(
    data: str,
    source: Source,
    read: ReadExamples,
    class_names: Sequence[str] | None,
) -> Data:
    """Check and read the examples of a source to score a trained model on: one split, test.

    Args:
        data: What the user gave.
        source: What it holds: its test split is used if it has one, else everything.
        read: Reads the contents of records.
        class_names: What the model was trained on, in its order; `None` where the labels are not
            what it learned.

    Raises:
        DataError: A label that the model does not know, or nothing that can be read.
    """
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
    if class_names is None:
        class_names = sorted({record.label for record in source.records})
    check_known_labels(source.records, class_names)
    examples = read(source.records)
    check_decoded((), examples.records, examples.set_aside)
    return _assemble(data, source, tuple(class_names), examples, [], [note])


def _assemble(
    data: str,
    source: Source,
    class_names: tuple[str, ...],
    examples: Examples,
    warnings: list[str],
    notes: list[str],
) -> Data:
    numbers = {name: number for number, name in enumerate(class_names)}
    splits = {}
    for name in SPLITS:
        members = [i for i, record in enumerate(examples.records) if record.split == name]
        members.sort(key=lambda i: examples.records[i].name)
        if members:
            records = tuple(examples.records[i] for i in members)
            splits[name] = Split(
                name=name,
                inputs=examples.inputs(members),
                labels=np.array([numbers[record.label] for record in records], np.int32),
                names=tuple(record.name for record in records),
                digests=tuple(examples.digests[i] for i in members),
                records=records,
            )
    found = list(zip(examples.digests, examples.records, strict=True))
    shared = find_shared((digest, record.split or "", record.name) for digest, record in found)
    return Data(
        source=data,
        kind=source.kind,
        class_names=class_names,
        splits=splits,
        set_aside=(*source.set_aside, *examples.set_aside),
        warnings=(*source.warnings, *warnings, *content_warnings(found, shared)),
        notes=(*source.notes, *notes),
        shared=shared,
    )
