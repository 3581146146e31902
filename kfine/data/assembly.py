"""From a source and a way to read its examples to a labelled data set, whatever they are."""

from __future__ import annotations

from collections import Counter
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
from kfine.data.examining import Examiner
from kfine.data.labelled import Data
from kfine.data.labels import CLASS_LABELS, Known, LabelReader
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
        across: Whether those may be of different classes.
        read: Reads one record again as it came; `None` where the inputs are that already.
        warnings: Sentences on what looks wrong in their contents.
        examiner: What can be said of them without a model.
    """

    records: Sequence[Record]
    digests: Sequence[str]
    inputs: Callable[[Sequence[int]], Inputs]
    set_aside: Sequence[SetAside] = ()
    together: Sequence[str] = ()
    across: bool = False
    read: Callable[[Record], Any] | None = None
    warnings: Sequence[str] = ()
    examiner: Examiner | None = None


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
    labels: LabelReader = CLASS_LABELS,
    like: Known | None = None,
) -> Data:
    """Check, read and divide the examples of a source to train on, or to score a model on.

    Labels are checked before anything is read, and again with what could be read.

    Args:
        data: What the user gave.
        source: What it holds.
        read: Reads the contents of records.
        validation_split: Fraction 0 to 1 of the training examples, if there is no such split.
        test_split: The same for the test.
        seed: Decides which examples are carved.
        split_lists: What `Data.split_lists` of a former run gave: its examples keep their split.
        labels: How labels are balanced and counted, and whether they are classes.
        like: What a trained model knows, to score it: see `load_test_examples`.

    Raises:
        DataError: Nothing to learn from.
    """
    if like is not None:
        return load_test_examples(data, source, read, like, labels=labels)
    source = _stratified(source, labels)
    class_names: tuple[str, ...] = ()
    warnings: list[str] = []
    if labels.classes:
        class_names, warnings = check_labels(source.records, source.set_aside)
    names = labels.names(record.label for record in source.records)
    examples = read(source.records)
    check_decoded(class_names, examples.records, examples.set_aside)
    if split_lists is None:
        records, notes = assign_splits(
            examples.records,
            validation_split=validation_split,
            test_split=test_split,
            seed=seed,
            digests=examples.together or examples.digests,
            across=examples.across,
        )
    else:
        records, notes = restore_splits(
            examples.records, examples.digests, split_lists, classes=labels.classes
        )
    check_training(class_names, records)
    if validation_split > 0 and not any(one.split == "validation" for one in records):
        raise DataError(
            "no example is left to validate on: too few differ from those that train; add other "
            "examples, or give a validation split"
        )
    examples = replace(examples, records=records)
    return _assemble(data, source, names, labels, examples, warnings, notes)


def load_test_examples(
    data: str,
    source: Source,
    read: ReadExamples,
    like: Known,
    *,
    labels: LabelReader = CLASS_LABELS,
) -> Data:
    """Check and read the examples of a source to score a trained model on: one split, test.

    Args:
        data: What the user gave.
        source: What it holds: its test split is used if it has one, else everything.
        read: Reads the contents of records.
        like: What the model knows: its answer.
        labels: How labels are balanced and counted.

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
    check_known_labels(source.records, like)
    source = _stratified(source, labels)
    examples = read(source.records)
    check_decoded((), examples.records, examples.set_aside)
    return _assemble(data, source, like.names, labels, examples, [], [note])


def _stratified(source: Source, labels: LabelReader) -> Source:
    strata = labels.strata([record.label for record in source.records])
    records = [
        replace(record, stratum=stratum)
        for record, stratum in zip(source.records, strata, strict=True)
    ]
    return replace(source, records=tuple(records))


def _assemble(
    data: str,
    source: Source,
    names: tuple[str, ...],
    labels: LabelReader,
    examples: Examples,
    warnings: list[str],
    notes: list[str],
) -> Data:
    strata = sorted({record.balanced for record in examples.records})
    numbers = {name: number for number, name in enumerate(strata)}
    splits, counted, missing = {}, {}, []
    for name in SPLITS:
        members = [i for i, record in enumerate(examples.records) if record.split == name]
        members.sort(key=lambda i: examples.records[i].name)
        if members:
            records = tuple(examples.records[i] for i in members)
            splits[name] = Split(
                name=name,
                inputs=examples.inputs(members),
                labels=tuple(record.label for record in records),
                strata=np.array([numbers[record.balanced] for record in records], np.int32),
                names=tuple(record.name for record in records),
                digests=tuple(examples.digests[i] for i in members),
                records=records,
                read=examples.read,
            )
            found = Counter(word for one in records for word in labels.counted(one.label))
            everything = dict.fromkeys(names, 0) if labels.classes else {}
            counted[name] = {**everything, **dict(sorted(found.items()))}
            lacking = Counter(part for one in records for part in labels.missing(one.label))
            missing += [
                f"{count} of {len(records)} {name} examples have no {part} and teach nothing of it"
                for part, count in sorted(lacking.items())
            ]
    found_digests = list(zip(examples.digests, examples.records, strict=True))
    shared = find_shared(
        (digest, record.split or "", record.name) for digest, record in found_digests
    )
    return Data(
        source=data,
        kind=source.kind,
        class_names=names,
        splits=splits,
        set_aside=(*source.set_aside, *examples.set_aside),
        warnings=(
            *source.warnings,
            *warnings,
            *examples.warnings,
            *content_warnings(found_digests, shared),
        ),
        notes=(*source.notes, *notes, *missing),
        shared=shared,
        counted=counted,
        columns=source.columns,
        examiner=examples.examiner,
        labels=labels,
    )
