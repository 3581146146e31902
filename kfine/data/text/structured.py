"""Data sets whose examples hold their own answers: tags of tokens, spans of a context."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from kfine.data.assembly import Examples, load_examples, load_test_examples
from kfine.data.decoding import Progress
from kfine.data.labelled import Data
from kfine.data.records import Record, Source
from kfine.data.text.rows import Texts


@dataclass(frozen=True)
class Kind:
    """What examples of a kind have in common; each has a `name` and a `split`.

    Attributes:
        stratum: Which share of each split an example counts for, such as "with entities".
        content: All that is in an example, its answer included; equal for equal ones.
        together: Equal for examples that no carved split may divide, such as the context.
        counted: Names of what an example holds, which the summary counts.
    """

    stratum: Callable[[Any], str]
    content: Callable[[Any], str]
    together: Callable[[Any], str]
    counted: Callable[[Any], Iterable[str]]


def load_structured(
    data: str,
    source: Any,
    objects: Sequence[Any],
    kind: Kind,
    *,
    class_names: Sequence[str],
    validation_split: float,
    test_split: float,
    seed: int,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Divide examples to train on.

    Args:
        data: What the user gave.
        source: With `kind`, `root`, `set_aside`, `warnings` and `notes`.
        objects: The examples.
        kind: What they have in common.
        class_names: What the model tells apart.
        validation_split: Fraction 0 to 1 of the training examples, if there is no such split.
        test_split: The same for the test.
        seed: Decides which examples are carved.
        split_lists: What `Data.split_lists` of a former run gave.
        progress: Called with (done, total) after the examples were read.

    Returns:
        Data whose `inputs` are the examples themselves, with their answers in them.

    Raises:
        DataError: Nothing to learn from.
    """
    loaded = load_examples(
        data,
        _source(source, objects, kind),
        partial(_examples, kind, progress),
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        split_lists=split_lists,
        classes=False,
    )
    return _named(loaded, class_names, kind)


def load_structured_for_evaluation(
    data: str,
    source: Any,
    objects: Sequence[Any],
    kind: Kind,
    class_names: Sequence[str],
    progress: Progress | None = None,
) -> Data:
    """Examples to score a trained model on: one split, test; see `load_structured`."""
    read = partial(_examples, kind, progress)
    loaded = load_test_examples(data, _source(source, objects, kind), read, None)
    return _named(loaded, class_names, kind)


def _source(source: Any, objects: Sequence[Any], kind: Kind) -> Source:
    records = tuple(
        Record(one.name, kind.stratum(one), one.split, together=kind.together(one), example=one)
        for one in objects
    )
    return Source(
        source.kind, source.root, records, source.set_aside, source.warnings, source.notes
    )


def _examples(kind: Kind, progress: Progress | None, records: Sequence[Record]) -> Examples:
    contents = [kind.content(record.example) for record in records]
    if progress is not None:
        progress(len(records), len(records))

    def inputs(numbers: Sequence[int]) -> Texts:
        return Texts(records[number].example for number in numbers)

    return Examples(
        records,
        [hashlib.sha256(content.encode()).hexdigest() for content in contents],
        inputs,
        together=[record.together or "" for record in records],
    )


def _named(data: Data, class_names: Sequence[str], kind: Kind) -> Data:
    counted = {}
    for name, split in data.splits.items():
        found = Counter(
            word for one in split.inputs[range(len(split))] for word in kind.counted(one)
        )
        counted[name] = dict(sorted(found.items()))
    return replace(data, class_names=tuple(class_names), counted=counted)
