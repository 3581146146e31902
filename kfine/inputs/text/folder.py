"""Texts in a folder: one file per split, or one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kfine.data.files import format_of, read_file, tables_in
from kfine.data.folder import FolderKind, read_folder
from kfine.data.labels import CLASS_LABELS, LabelReader, require_classes
from kfine.data.records import SPLITS, Record, SetAside, Source, split_named
from kfine.data.tables import decode_text
from kfine.errors import DataError
from kfine.inputs.text.tables import read_text_tables, unusable

TEXTS = FolderKind(
    noun="text",
    layout="put in train.csv and test.csv with the columns text,label, or one folder per class, "
    "such as ROOT/spam/1.txt and ROOT/ham/2.txt",
    looks_right=lambda path: path.suffix.lower() == ".txt",
)
_SAMPLE = 20


def read_text_folder(
    root: Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    labels: LabelReader = CLASS_LABELS,
) -> Source:
    """List the labelled texts of a folder.

    Files called train, validation (val, valid, dev) or test with an ending of `SUFFIXES` make
    the splits. Without any, each class is a folder of text files, as in `read_folder`.

    Raises:
        DataError: There are no texts, two files for a split, or images.
    """
    files = split_files(root)
    if files:
        source = read_text_tables(
            files, text_column=text_column, label_column=label_column, labels=labels
        )
        return replace(source, warnings=(*_ignored(root, files), *source.warnings))
    require_classes(labels, root)
    listed = read_folder(root, TEXTS)
    if text_column or label_column:
        raise DataError(
            f"{root} holds class folders and no columns: leave text_column and label_column out"
        )
    _refuse_images(root, listed.records)
    return _read_files(listed)


def split_files(root: Path, others: Sequence[Path] = ()) -> list[tuple[Path, str | None]]:
    """The tables of a folder that are splits, training first.

    Args:
        root: The folder.
        others: Files in it that may be splits too.

    Raises:
        DataError: The folder cannot be read, or two files are one split.
    """
    found: dict[str, Path] = {}
    for path in (*tables_in(root), *others):
        split = split_named(path.stem)
        if split is None:
            continue
        if split in found:
            raise DataError(
                f"{root} has two files for the {split} split, {found[split].name} and "
                f"{path.name}: keep one of them"
            )
        found[split] = path
    return [(found[split], split) for split in SPLITS if split in found]


def _ignored(root: Path, files: Sequence[tuple[Path, str | None]]) -> list[str]:
    used = [path for path, _ in files]
    beside = ", ".join(path.name for path in used)
    return [
        f"{path} lies beside the splits ({beside}) and is ignored"
        for path in tables_in(root)
        if path not in used
    ]


def _refuse_images(root: Path, records: Sequence[Record]) -> None:
    """Look into a few files: reading a whole folder of photos as text would take long."""
    sample = records[:: max(1, len(records) // _SAMPLE)]
    images = [record.name for record in sample if record.path and _is_image(record.path)]
    if len(images) > len(sample) / 2:
        raise DataError(
            f"{root} holds images (such as {images[0]}) and not texts: the recipe "
            "image_classification is for those"
        )


def _is_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return format_of(file.read(16)) is not None
    except OSError:
        return False


def _read_files(listed: Source) -> Source:
    """The contents of the files of class folders."""
    records, set_aside, encodings = [], list(listed.set_aside), []
    for record in listed.records:
        assert record.path is not None, "a folder lists files"
        try:
            content = read_file(record.path)
            if format_of(content[:16]):
                raise DataError("an image")
            read = replace(record, path=None, text=decode_text(content))
            reason = unusable(read)
        except DataError as error:
            reason = str(error)
            if "(byte" in reason:
                encodings.append(f"{record.name} is {reason}")
        if reason:
            set_aside.append(SetAside(record.name, record.split, reason))
        else:
            records.append(read)
    if not records:
        first = set_aside[0]
        raise DataError(
            f"none of the {len(set_aside)} files in {listed.root} can be read as a text (the "
            f"first, {first.name}: {first.reason})"
        )
    return replace(
        listed,
        records=tuple(records),
        set_aside=tuple(set_aside),
        warnings=(*listed.warnings, *_encoding(encodings), *_lost(listed.records, records)),
    )


def _encoding(found: Sequence[str]) -> list[str]:
    if not found:
        return []
    return [
        f"{len(found)} files are set aside for their encoding, such as {found[0]}: save them as "
        "UTF-8"
    ]


def _lost(before: Sequence[Record], after: Sequence[Record]) -> list[str]:
    lost = sorted({record.label for record in before} - {record.label for record in after})
    return [f"not one text in the class folder {label} can be used" for label in lost]
