"""Files of examples: read whole, found by their split, or line by line."""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kfine.data.records import SPLITS, Record, printable, split_named
from kfine.data.tables import SUFFIXES, parsed_lines
from kfine.errors import DataError

# What systems and programs put beside files, in lower case.
_CLUTTER = {
    # Windows and macOS
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "recycler"),
    *("system volume information", "__macosx", "icon\r", "network trash folder", "temporary items"),
    # Synology, QNAP and other network disks, and Linux
    *("@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "lost+found"),
    "__pycache__",
}


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or left behind by a system.

    `.ipynb_checkpoints`, `Thumbs.db`, the `@eaDir` with thumbnails of a network disk, and so on.
    """
    return name.startswith(".") or name.lower() in _CLUTTER


def read_file(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        DataError: A short reason: it is missing, not readable, empty, or no regular file.
    """
    try:
        # Opening a named pipe would wait for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DataError("not a regular file")
        content = path.read_bytes()
    except FileNotFoundError:
        missing = "link to a missing file" if path.is_symlink() else "no such file"
        raise DataError(missing) from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from None
    if not content:
        raise DataError("empty file")
    return content


def content_of(record: Record) -> bytes:
    """What an example's file holds, or the part of a larger one that it is.

    Raises:
        DataError: As `read_file`, or it has neither.
    """
    if record.content is not None:
        return record.content()
    if record.path is not None:
        return read_file(record.path)
    raise DataError("no content")


def format_of(header: bytes) -> str | None:
    """Name the image format from a file's first 16 bytes, or None if it is not an image.

    HEIC is named although `decode_image` cannot read it, so that the reason can say so.
    """
    if header.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if header.startswith(b"\x89PNG"):
        return "PNG"
    if header.startswith(b"GIF8"):
        return "GIF"
    if header.startswith(b"RIFF") and header[8:12] == b"WEBP":
        return "WEBP"
    if header.startswith(b"BM") and header[6:10] == bytes(4):
        return "BMP"
    if header.startswith((b"II*\x00", b"MM\x00*")):
        return "TIFF"
    if header[4:8] == b"ftyp" and header[8:12] in (b"avif", b"avis"):
        return "AVIF"
    if header[4:8] == b"ftyp" and header[8:12] in (b"heic", b"heix", b"mif1", b"hevc"):
        return "HEIC"
    return None


def tables_in(folder: Path) -> list[Path]:
    """The tables (CSV, TSV, JSONL) directly in a folder, sorted.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None
    return [
        path
        for path in paths
        if path.suffix.lower() in SUFFIXES and path.is_file() and not is_clutter(path.name)
    ]


def split_files(folder: Path, suffixes: Sequence[str]) -> tuple[dict[str, list[Path]], list[Path]]:
    """The files of each split of a folder, as their names say.

    A split is one of the words of a name between `-`, `_` and `.`: `train.json`,
    `dev-v2.0.json` and `emerging.test.conll` are of train, validation and test.

    Args:
        folder: Where to look; folders in it are not opened.
        suffixes: Endings of the files wanted, in lower case.

    Returns:
        Files by split, in the order train, validation, test; and files with such an ending
        whose name says no split, or more than one.

    Raises:
        DataError: Not one file of a split is there, or the folder cannot be read.
    """
    try:
        there = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None
    found: dict[str, list[Path]] = defaultdict(list)
    ignored = []
    for path in there:
        if path.suffix.lower() not in suffixes or is_clutter(path.name):
            continue
        named = {split_named(word) for word in re.split(r"[-_.]", path.stem)} - {None}
        if len(named) == 1:
            found[str(named.pop())].append(path)
        else:
            ignored.append(path)
    if not found:
        names = ", ".join(printable(path.name) for path in there[:5]) or "nothing"
        endings = " or ".join(f"train{suffix}" for suffix in suffixes[:2])
        raise DataError(f"{folder} holds no file named {endings}; there is: {names}")
    return {split: found[split] for split in SPLITS if split in found}, ignored


def ignored_warnings(ignored: Sequence[Path]) -> list[str]:
    """One sentence on files that no split is named by, if there are any."""
    if not ignored:
        return []
    names = ", ".join(printable(path.name) for path in ignored[:5])
    return [f"ignored, since their names say no split or several: {names}"]


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1; a token may hold U+2028, so not `splitlines`."""
    for number, line in enumerate(text.split("\n"), start=1):
        yield number, line.removesuffix("\r")


def json_lines(
    path: Path, text: str, keys: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with their lines; empty lines are skipped.

    Raises:
        DataError: A line is no JSON object, or lacks one of `keys`.
    """
    for line, row in parsed_lines(path, text):
        check_keys(row, keys, f"{path}, line {line}", optional)
        yield line, row


def check_keys(row: object, keys: Sequence[str], place: str, optional: Sequence[str] = ()) -> None:
    """Check that a value read from JSON is an object with these keys.

    Raises:
        DataError: It is not; the keys that there are are named.
    """
    if isinstance(row, dict) and all(key in row for key in keys):
        return
    wanted = ", ".join(repr(key) for key in keys)
    if optional:
        wanted += f" and, if you like, {', '.join(repr(key) for key in optional)}"
    received = f"a {type(row).__name__}"
    if isinstance(row, dict):
        received = ", ".join(repr(key) for key in list(row)[:10]) or "an empty object"
    raise DataError(f"{place}: wanted an object with {wanted}. Received: {received}")


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON's escapes can spell half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
