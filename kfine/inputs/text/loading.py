"""Texts of a source as a labelled data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from kfine.data.assembly import Examples, load_examples
from kfine.data.labelled import Data
from kfine.data.labels import CLASS_LABELS, Known, LabelReader
from kfine.data.objects import Objects
from kfine.data.records import Progress, Record
from kfine.inputs.text.duplicates import find_near_duplicates, normalized
from kfine.inputs.text.examiner import TextExaminer
from kfine.inputs.text.sources import read_texts


def load_texts(
    data: str,
    *,
    validation_split: float = 0.0,
    test_split: float = 0.0,
    seed: int = 0,
    text_column: str | None = None,
    label_column: str | None = None,
    labels: LabelReader = CLASS_LABELS,
    like: Known | None = None,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read a source of labelled texts, and make the splits that are missing.

    No carved split holds a text that differs from a training text only in case, punctuation
    and space; what the source's own splits share, or nearly share, is warned of.

    Args:
        data: As in `read_texts`.
        validation_split: Fraction 0 to 1 of the training texts, if there is no such split.
        test_split: The same for the test.
        seed: Decides which texts are carved.
        text_column: As in `read_texts`.
        label_column: As in `read_texts`.
        labels: How labels are read.
        like: What a trained model knows, to score it: there is then one split, test, which is the
            source's own or else everything.
        split_lists: What `Data.split_lists` of a former run gave: its texts keep their split.
        progress: Called with (done, total) after the texts were read.

    Returns:
        Data whose `inputs` are the texts, and whose digests are SHA-256 of the UTF-8 text.

    Raises:
        DataError: Nothing to learn from, or a label that the model does not know.
    """
    source = read_texts(data, text_column=text_column, label_column=label_column, labels=labels)
    read = partial(_examples, progress)
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
    if like is not None:
        return loaded
    pairs, warnings = find_near_duplicates(loaded.splits)
    return replace(loaded, near_duplicates=pairs, warnings=(*loaded.warnings, *warnings))


def _examples(progress: Progress | None, records: Sequence[Record]) -> Examples:
    texts = [record.text or "" for record in records]
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    if progress is not None:
        progress(len(records), len(records))

    def inputs(numbers: Sequence[int]) -> Objects:
        return Objects(texts[number] for number in numbers)

    # Texts of punctuation alone are all alike as normalized; only equal ones belong together.
    together = [normalized(text) or digest for text, digest in zip(texts, digests, strict=True)]
    return Examples(records, digests, inputs, together=together, examiner=TextExaminer())
