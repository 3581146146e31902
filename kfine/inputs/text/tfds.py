"""Text classification data sets of TensorFlow Datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kfine.data.records import Record, SetAside, Source
from kfine.data.tfds import find_features, open_builder, read_examples
from kfine.errors import DataError
from kfine.inputs.text.columns import LABEL_NAMES, TEXT_NAMES
from kfine.inputs.text.tables import unusable


def read_tfds_texts(
    name: str, *, text_column: str | None = None, label_column: str | None = None
) -> Source:
    """List the labelled texts of a data set of TensorFlow Datasets; otherwise as `read_tfds`.

    Args:
        name: `NAME`, `NAME/CONFIG` or either with `:VERSION`.
        text_column: Its `Text` feature; one called `text`, `sentence` or the like if omitted, or
            else the first of the alphabet.
        label_column: Its `ClassLabel` feature, found likewise.

    Raises:
        DataError: As in `read_tfds`, or nothing that can be used.
    """
    tfds, builder = open_builder(name, "a file or folder of texts")
    texts, labels = find_features(tfds, builder, name, "Text")
    text = _chosen(name, texts, text_column, TEXT_NAMES)
    label = _chosen(name, labels, label_column, LABEL_NAMES)

    def record(place: str, class_name: str, split: str | None, content: bytes) -> Record:
        # What is no UTF-8 becomes a surrogate, and `unusable` finds it.
        return Record(place, class_name, split, text=content.decode("utf-8", "surrogateescape"))

    source = read_examples(tfds, builder, name, text, label, record)
    records, set_aside = [], list(source.set_aside)
    for one in source.records:
        reason = unusable(one)
        if reason:
            set_aside.append(SetAside(one.name, one.split, reason))
        else:
            records.append(one)
    if not records:
        raise DataError(f"not one of the {len(set_aside)} examples of {name!r} has text and label")
    guessed = (len(texts) > 1 and text_column is None) or (len(labels) > 1 and label_column is None)
    note = (
        f"of the features of {name!r}, texts are {text!r} and labels are {label!r} (text_column "
        "and label_column say it otherwise)"
    )
    return replace(
        source,
        records=tuple(records),
        set_aside=tuple(set_aside),
        notes=(note,) if guessed else (),
    )


def _chosen(name: str, there: Sequence[str], wanted: str | None, likely: Sequence[str]) -> str:
    if wanted is None:
        return next((key for key in likely if key in there), there[0])
    if wanted not in there:
        raise DataError(
            f"the data set {name!r} has no such feature {wanted!r}; there are: {', '.join(there)}"
        )
    return wanted
