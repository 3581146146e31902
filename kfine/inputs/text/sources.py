"""One word or path to a list of labelled texts."""

from __future__ import annotations

from kfine.data.labels import CLASS_LABELS, LabelReader, require_classes
from kfine.data.records import Source
from kfine.data.sources import existing_path
from kfine.data.tables import SUFFIXES
from kfine.errors import DataError

_KINDS = (
    "a .csv, .tsv or .jsonl file with text and label, a folder with train.csv and test.csv, a "
    "folder with one folder of text files per class, or tfds:NAME"
)


def read_texts(
    data: str,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    labels: LabelReader = CLASS_LABELS,
) -> Source:
    """List the labelled texts of a source, with their contents.

    A column `split` of a file (train, validation or test) is used if there is one. Empty texts
    and those without a label are set aside. Files are UTF-8, or UTF-16 with a byte order mark.

    Args:
        data: A file (`.csv`, `.tsv`, `.jsonl`, `.ndjson`); a folder with such files called
            train, validation and test; a folder of class folders of text files, with or without
            folders for the splits above them; `tfds:NAME` (TensorFlow Datasets).
        text_column: Column, key or feature of the texts; guessed if omitted, and said so in the
            notes of the source.
        label_column: The same for the labels.
        labels: How labels are read from files of rows; only classes come from elsewhere.

    Returns:
        Records named `FILE:LINE`, by their path below the folder, or `SPLIT/NUMBER`.

    Raises:
        DataError: There is no such source, or it holds nothing to learn from.
    """
    if data.startswith("tfds:"):
        require_classes(labels, data)
        from kfine.inputs.text.tfds import read_tfds_texts

        return read_tfds_texts(
            data.removeprefix("tfds:"), text_column=text_column, label_column=label_column
        )

    path = existing_path(data, _KINDS)
    if path.is_dir():
        from kfine.inputs.text.folder import read_text_folder

        return read_text_folder(
            path, text_column=text_column, label_column=label_column, labels=labels
        )
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{data} is a file of a kind that lists no texts: wanted {_KINDS}")
    from kfine.inputs.text.tables import read_text_tables

    return read_text_tables(
        [(path, None)], text_column=text_column, label_column=label_column, labels=labels
    )
