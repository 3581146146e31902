"""Text classification data sets of TensorFlow Datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kfine.data.records import Record, SetAside, Source
from kfine.data.text.tables import unusable
from kfine.data.tfds import find_features, open_builder, read_examples
from kfine.errors import DataError


def read_tfds_texts(
    name: str, *, text_column: str | None = None, label_column: str | None = None
) -> Source:
    """List the labelled texts of a data set of TensorFlow Datasets; otherwise as `read_tfds`.

    Args:
        name: `NAME`, `NAME/CONFIG` or either with `:VERSION`.
        text_column: Its `Text` feature; `text`, `sentence` or the first one if omitted.
        label_column: Its `ClassLabel` feature; `label` or the first one if omitted.

    Raises:
        DataError: As in `read_tfds`, or nothing that can be used.
    """
    tfds, builder = open_builder(name, "a file or folder of texts")
    texts, labels = find_features(tfds, builder, name, "Text")
    text = _chosen(name, texts, text_column, ("text", "sentence"))
    label = _chosen(name, labels, label_column, ("label",))

    def record(place: str, class_name: str, split: str | None, content: bytes) -> Record:
        return Record(place, class_name, split, text=content.decode("utf-8", "replace"))

    source = read_examples(tfds, builder, name, text, label, record)
    records = tuple(one for one in source.records if not unusable(one))
    empty = [SetAside(one.name, one.split, unusable(one) or "") for one in source.records]
    set_aside = (*source.set_aside, *(item for item in empty if item.reason))
    if not records:
        raise DataError(f"not one of the {len(set_aside)} examples of {name!r} has text and label")
    notes = ()
    if len(texts) > 1 and text_column is None or len(labels) > 1 and label_column is None:
        notes = (
            f"of the features of {name!r}, {text!r} was taken for the texts and {label!r} for the "
            "labels (text_column and label_column say it otherwise)",
        )
    return replace(source, records=records, set_aside=set_aside, notes=notes)


def _chosen(name: str, there: Sequence[str], wanted: str | None, likely: Sequence[str]) -> str:
    if wanted is None:
        return next((key for key in likely if key in there), there[0])
    if wanted not in there:
        raise DataError(
            f"the data set {name!r} has no such feature {wanted!r}; there are: {', '.join(there)}"
        )
    return wanted
