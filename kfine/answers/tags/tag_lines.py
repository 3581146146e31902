"""The lines of CoNLL and JSONL files: tokens and tags as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kfine.answers.tags.bio import is_tag
from kfine.data.files import json_lines, numbered_lines
from kfine.data.tables import Row, read_text, split_cell
from kfine.errors import DataError

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)?:")
_TAGS = "O, B-TYPE and I-TYPE (or E-, S-, L- and U-TYPE)"


class RawSentence(NamedTuple):
    """A sentence as written: the line that it begins at, its split if it says one, its tags."""

    line: int
    split: str | None
    tokens: list[str]
    tags: list[str]


def read_conll(path: Path) -> Iterator[RawSentence]:
    """The sentences of a file with a token and its tag a line; see `read_tagged`.

    Where the first of three or more columns counts the tokens of each sentence (CoNLL-U), the
    tokens are in the second. A language in front of all tokens (`en:Berlin`, as WikiANN has it) is
    dropped. Lines that begin with `# ` and end in no tag are comments.

    Raises:
        DataError: A line has one column, or no tag in its last one.
    """
    sentences = list(_blocks(path))
    rows = [row for _, block in sentences for row in block]
    numbered = len(rows) > 1 and all(
        len(cells) > 2 and cells[0] == str(number)
        for _, block in sentences
        for number, cells in enumerate(block, int(block[0][0] == "1"))
    )
    column = 1 if numbered else 0
    tokens = [cells[column] for cells in rows]
    prefixes = {one.partition(":")[0] + ":" if ":" in one else "" for one in tokens}
    prefix = prefixes.pop() if len(prefixes) == 1 and len(rows) > 1 else ""
    if not _LANGUAGE.fullmatch(prefix):
        prefix = ""
    for line, block in sentences:
        found = [cells[column].removeprefix(prefix) for cells in block]
        yield RawSentence(line, None, found, [cells[-1].strip() for cells in block])


def _blocks(path: Path) -> Iterator[tuple[int, list[list[str]]]]:
    """The line that each sentence begins at, and the cells of its lines."""
    begin = 0
    block: list[list[str]] = []
    for line, content in numbered_lines(read_text(path) + "\n"):
        if not content.strip() or content.startswith("-DOCSTART-"):
            if block:
                yield begin, block
            begin, block = 0, []
            continue
        # Between tabs a token may be empty; white space other than the two may be a token's own.
        spaced = [cell for cell in content.split(" ") if cell]
        cells = content.split("\t") if "\t" in content else spaced
        if content.startswith("# ") and (len(cells) < 2 or not is_tag(cells[-1].strip())):
            continue
        if len(cells) < 2:
            raise DataError(
                f"{path}, line {line}: wanted a token and its tag with a tab or space between. "
                f"Received: one column, {content.strip()[:50]!r}"
            )
        _check_tag(path, line, cells[-1].strip())
        begin = begin or line
        block.append(cells)


def read_jsonl(path: Path) -> Iterator[RawSentence]:
    """The sentences of a file with an object a line; see `read_tagged`.

    Raises:
        DataError: A line lacks a key, or its tokens and tags do not belong together.
    """
    for line, row in json_lines(path, read_text(path), ("tokens", "tags"), ("split",)):
        for key in ("tokens", "tags"):
            _check_strings(path, line, key, row[key])
        tokens, tags = row["tokens"], row["tags"]
        if len(tokens) != len(tags):
            raise DataError(
                f"{path}, line {line}: {len(tokens)} tokens and {len(tags)} tags; each token "
                "needs one tag"
            )
        for tag in tags:
            _check_tag(path, line, tag)
        yield RawSentence(line, split_cell(path, Row(line, row)), tokens, tags)


def _check_tag(path: Path, line: int, tag: str) -> None:
    if not is_tag(tag):
        raise DataError(f"{path}, line {line}: {tag[:50]!r} is no tag; tags are {_TAGS}")


def _check_strings(path: Path, line: int, key: str, value: Any) -> None:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return
    received = value
    if isinstance(value, list):
        received = next(one for one in value if not isinstance(one, str))
    hint = "; write the names of the tags" if isinstance(received, int) and key == "tags" else ""
    raise DataError(
        f"{path}, line {line}: {key!r} is a list of words. Received: {str(received)[:50]!r}{hint}"
    )
