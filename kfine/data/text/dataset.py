"""Texts of a source as a labelled data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from kfine.data.assembly import Examples, load_examples, load_test_examples
from kfine.data.decoding import Progress
from kfine.data.labelled import Data
from kfine.data.records import Record
from kfine.data.text.duplicates import find_near_duplicates, normalized
from kfine.data.text.rows import Texts
from kfine.data.text.sources import read_texts


def load_texts(
    data: str,
    *,
    validation_split: float,
    test_split: float,
    seed: int,
    text_column: str | None = None,
    label_column: str | None = None,
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
        split_lists: What `Data.split_lists` of a former run gave: its texts keep their split.
        progress: Called with (done, total) after the texts were read.

    Returns:
        Data whose `inputs` are `Texts`, and whose digests are SHA-256 of the UTF-8 text.

    Raises:
        DataError: Nothing to learn from.
    """
    loaded = load_examples(
        data,
        read_texts(data, text_column=text_column, label_column=label_column),
        partial(_examples, progress),
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        split_lists=split_lists,
    )
    pairs, warnings = find_near_duplicates(loaded.splits)
    return replace(loaded, near_duplicates=pairs, warnings=(*loaded.warnings, *warnings))


def load_texts_for_evaluation(
    data: str,
    *,
    class_names: Sequence[str],
    text_column: str | None = None,
    label_column: str | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read labelled texts to score a trained model on: one split, called test.

    The source's test split if it has one, else everything in it.

    Args:
        data: As in `read_texts`.
        class_names: What the model was trained on, in its order.
        text_column: As in `read_texts`.
        label_column: As in `read_texts`.
        progress: Called with (done, total) after the texts were read.

    Raises:
        DataError: A label that the model does not know, or nothing that can be read.
    """
    source = read_texts(data, text_column=text_column, label_column=label_column)
    return load_test_examples(data, source, partial(_examples, progress), class_names)


def _examples(progress: Progress | None, records: Sequence[Record]) -> Examples:
    texts = [record.text or "" for record in records]
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    if progress is not None:
        progress(len(records), len(records))

    def inputs(numbers: Sequence[int]) -> Texts:
        return Texts(texts[number] for number in numbers)

    # Texts of punctuation alone are all alike as normalized; only equal ones belong together.
    together = [normalized(text) or digest for text, digest in zip(texts, digests, strict=True)]
    return Examples(records, digests, inputs, together=together)
