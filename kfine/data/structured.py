"""Data sets whose examples hold their own answers: tags of tokens, spans of a context."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from kfine.data.assembly import Examples, load_examples
from kfine.data.examining import Examiner
from kfine.data.labelled import Data
from kfine.data.labels import Known
from kfine.data.objects import Objects
from kfine.data.records import Progress, Record, Source


@dataclass(frozen=True)
class Kind:
    """What examples of a kind have in common; each has a `name` and a `split`.

    Attributes:
        label: The truth of an example, as its answer has it.
        stratum: Of a label: which share of each split it counts for, such as "with entities".
        content: All that is in an example, its answer included; equal for equal ones.
        together: Equal for examples that no carved split may divide, such as the context.
        counted: Of a label: names of what it holds, which the summary counts.
        examiner: What can be said of them without a model.
    """

    label: Callable[[Any], Any]
    stratum: Callable[[Any], str]
    content: Callable[[Any], str]
    together: Callable[[Any], str]
    counted: Callable[[Any], Iterable[str]]
    examiner: Examiner | None = None


def load_structured(
    data: str,
    source: Any,
    objects: Sequence[Any],
    kind: Kind,
    *,
    names: Sequence[str],
    validation_split: float,
    test_split: float,
    seed: int,
    like: Known | None = None,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Divide examples that hold their own labels.

    Args:
        data: What the user gave.
        source: With `kind`, `root`, `set_aside`, `warnings` and `notes`.
        objects: The examples.
        kind: What they have in common.
        names: What the labels tell apart.
        validation_split: Fraction 0 to 1 of the training examples, if there is no such split.
        test_split: The same for the test.
        seed: Decides which examples are carved.
        like: What a trained model knows, to score it: there is then one split, test.
        split_lists: What `Data.split_lists` of a former run gave.
        progress: Called with (done, total) after the examples were read.

    Returns:
        Data whose `inputs` are the examples themselves.

    Raises:
        DataError: Nothing to learn from, or a label that the model does not know.
    """
    labels = _Labels(tuple(names), kind)
    read = partial(_examples, kind, progress)
    listed = _source(source, objects, kind)
    return load_examples(
        data,
        listed,
        read,
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        split_lists=split_lists,
        labels=labels,
        like=like,
    )


@dataclass(frozen=True)
class _Labels:
    """Labels that stand in the examples."""

    of: tuple[str, ...]
    kind: Kind
    columns: tuple[str, ...] = ()
    classes: ClassVar[bool] = False

    def read(self, cells: Sequence[Any]) -> Any:
        raise NotImplementedError("these labels are in no table")

    def strata(self, labels: Sequence[Any]) -> list[str]:
        return [self.kind.stratum(one) for one in labels]

    def names(self, labels: Iterable[Any]) -> tuple[str, ...]:
        return self.of

    def counted(self, label: Any) -> Iterable[str]:
        return self.kind.counted(label)

    def missing(self, label: Any) -> Iterable[str]:
        return ()


def _source(source: Any, objects: Sequence[Any], kind: Kind) -> Source:
    records = tuple(
        Record(one.name, kind.label(one), one.split, together=kind.together(one), example=one)
        for one in objects
    )
    return Source(
        source.kind, source.root, records, source.set_aside, source.warnings, source.notes
    )


def _examples(kind: Kind, progress: Progress | None, records: Sequence[Record]) -> Examples:
    contents = [kind.content(record.example) for record in records]
    if progress is not None:
        progress(len(records), len(records))

    def inputs(numbers: Sequence[int]) -> Objects:
        return Objects(records[number].example for number in numbers)

    return Examples(
        records,
        [hashlib.sha256(content.encode()).hexdigest() for content in contents],
        inputs,
        together=[record.together or "" for record in records],
        examiner=kind.examiner,
    )
