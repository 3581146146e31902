"""The lines of CoNLL and JSONL files: tokens and tags as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kfine.answers.tags.bio import is_tag
from kfine.data.files import json_lines, numbered_lines
from kfine.data.tables import Row, read_text, split_cell
from kfine.errors import DataError

_TAGS = "O, B-TYPE and I-TYPE (or E-, S-, L- and U-TYPE)"


class RawSentence(NamedTuple):
    """A sentence as written: the line that it begins at, its split if it says one, its tags."""

    line: int
    split: str | None
    tokens: list[str]
    tags: list[str]


def read_conll(path: Path) -> Iterator[RawSentence]:
    """The sentences of a file with a token and its tag a line; see `read_tagged`.

    Raises:
        DataError: A line has one column, or no tag in its last one.
    """
    sentence = RawSentence(0, None, [], [])
    for line, content in numbered_lines(read_text(path) + "\n"):
        if not content.strip() or content.startswith("-DOCSTART-"):
            if sentence.tokens:
                yield sentence
            sentence = RawSentence(0, None, [], [])
            continue
        # Between tabs a token may be empty; white space other than the two may be a token's own.
        spaced = [cell for cell in content.split(" ") if cell]
        cells = content.split("\t") if "\t" in content else spaced
        if len(cells) < 2:
            raise DataError(
                f"{path}, line {line}: wanted a token and its tag with a tab or space between; "
                f"received one column, {content.strip()[:50]!r}"
            )
        tag = cells[-1].strip()
        _check_tag(path, line, tag)
        if not sentence.tokens:
            sentence = sentence._replace(line=line)
        sentence.tokens.append(cells[0])
        sentence.tags.append(tag)


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
        f"{path}, line {line}: {key!r} is a list of words; received {str(received)[:50]!r}{hint}"
    )
