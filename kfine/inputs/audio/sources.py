"""Recordings in one folder per class, or listed in a manifest."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from kfine.data.folder import FolderKind, read_folder
from kfine.data.labels import LabelReader, require_classes
from kfine.data.manifest import read_manifest
from kfine.data.records import Record, Source, printable
from kfine.data.sources import existing_path
from kfine.data.tables import SUFFIXES, Row, cell_text, read_table
from kfine.errors import DataError

_KINDS = "a folder with one folder per class, or a .csv or .jsonl file with path and label"
_ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64")
START, END = "start", "end"
# Labels of fewer recordings may be anything.
_ENOUGH = 10

SOUNDS = FolderKind(
    noun="recording",
    layout="put the recordings in one folder per class, such as ROOT/dog/1.wav and ROOT/rain/1.wav",
    looks_right=lambda path: path.suffix.lower() in _ENDINGS,
)


def read_sounds(
    data: str,
    labels: LabelReader,
    group_column: str | None = None,
    group_pattern: str | None = None,
) -> Source:
    """List the labelled recordings of a source; nothing is decoded.

    A manifest may have `start` and `end` in seconds: a row is then that part of its file, and no
    carved split divides the parts of one file.

    Args:
        data: A folder of class folders, or a manifest (`.csv`, `.tsv`, `.jsonl`).
        labels: How labels are read from a manifest.
        group_column: Column of the manifest, such as speaker: no carved split divides recordings
            that are equal in it.
        group_pattern: The same for recordings whose paths below the source have equal text in the
            first bracket of this regular expression.

    Raises:
        DataError: There is no such source, or it holds nothing to learn from; a group is missing.
    """
    source = _listed(data, labels, group_column)
    return source if group_pattern is None else _grouped(source, group_pattern)


def _grouped(source: Source, pattern: str) -> Source:
    """A source whose recordings have the groups that their paths name."""
    try:
        read = re.compile(pattern)
    except re.error:
        read = re.compile("")
    if not read.groups:
        raise DataError(
            "group_pattern is a regular expression with a bracket around the group, such as "
            f"_([a-z]+)_. Received: {pattern!r}"
        )
    found = [read.search(one.name) for one in source.records]
    groups = [match[1] if match else None for match in found]
    without = [one.name for one, group in zip(source.records, groups, strict=True) if not group]
    if without:
        raise DataError(
            f"group_pattern finds no group in the path of {len(without)} of {len(groups)} "
            f"recordings, such as {printable(without[0])}. Received: {pattern!r}"
        )
    records = zip(source.records, groups, strict=True)
    return replace(source, records=tuple(replace(one, together=group) for one, group in records))


def _listed(data: str, labels: LabelReader, group_column: str | None) -> Source:
    if data.startswith("tfds:"):
        raise DataError(f"recordings are not read from TensorFlow Datasets: wanted {_KINDS}")
    path = existing_path(data, _KINDS)
    if group_column is not None and path.suffix.lower() not in SUFFIXES:
        raise DataError(f"group_column names a column of a manifest. Received: {data}")
    if path.is_dir():
        require_classes(labels, data)
        return read_folder(path, SOUNDS)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{data} is a file of a kind that lists no recordings: wanted {_KINDS}")
    key = (group_column or "").strip().lower()
    if key and key not in (columns := read_table(path).columns):
        raise DataError(f"{path} has no column {group_column}. Received: {', '.join(columns)}")
    source = read_manifest(path, labels, partial(_part, key))
    _check_labels(labels, source)
    return source


def _check_labels(labels: LabelReader, source: Source) -> None:
    """Refuse classes that are transcripts by mistake.

    Raises:
        DataError: Most labels are sentences, each of another.
    """
    texts = [one.label for one in source.records] if labels.classes else []
    several = sum(len(one.split()) > 1 for one in texts)
    different = len(set(texts))
    if len(texts) >= _ENOUGH and min(several, different) > len(texts) / 2:
        raise DataError(
            f"the labels are no classes: {different} different ones, mostly of several words, for "
            f"{len(texts)} recordings, such as {printable(texts[0])!r}. What is said is learned by "
            "speech_recognition"
        )


def _part(group_column: str, row: Row, record: Record) -> Record:
    """The part of a recording that a row gives times of, with its group."""
    group = cell_text(row.cells.get(group_column))
    if group_column and not group:
        raise DataError(f"no {group_column}")
    record = replace(record, together=group or None)
    times = [cell_text(row.cells.get(name)) for name in (START, END)]
    if not any(times):
        return record
    try:
        start = float(times[0] or 0)
        end = float(times[1] or math.inf)
    except ValueError:
        start = end = math.nan
    if not 0 <= start < end:
        raise DataError(f"its times are no seconds from start to end ({' to '.join(times)})")
    path = record.path
    assert path is not None
    shown = f"{start:g}-{end:g}" if end < math.inf else f"{start:g}-"
    return replace(
        record,
        name=f"{record.name}#{shown}",
        content=partial(_content, path, start, end),
        together=group or record.name,
    )


def _content(path: Path, start: float, end: float) -> bytes:
    """A part of a file, as a sound file."""
    import soundfile

    from kfine.inputs.audio.decoding import opened

    with opened(path) as file:
        seconds = file.frames / file.samplerate
        # Times are written with few decimals.
        if start >= seconds or (end < math.inf and end > seconds + 0.05):
            raise DataError(f"its times lie outside the recording of {seconds:.2f} seconds")
        file.seek(round(start * file.samplerate))
        count = -1 if end == math.inf else round((end - start) * file.samplerate)
        values = file.read(count, dtype="float32", always_2d=True)
        made = io.BytesIO()
        soundfile.write(made, values, file.samplerate, format="WAV", subtype="FLOAT")
    return made.getvalue()
