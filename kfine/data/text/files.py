"""Files of labelled texts: found by their split, and read line by line."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kfine.data.records import SPLITS, printable, split_named
from kfine.data.tables import parsed_lines
from kfine.errors import DataError


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
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
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
    raise DataError(f"{place}: wanted an object with {wanted}; received {received}")


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON's escapes can spell half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
