"""Conversations in files, as people have them: told by their columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from kfine.data.records import SetAside, printable
from kfine.data.sources import existing_path
from kfine.data.tables import SUFFIXES, Row, Table, cell_text, read_table, read_text, split_cell
from kfine.errors import DataError
from kfine.inputs.prompt.conversation import (
    ASSISTANT,
    ROLES,
    SUMMARIZE,
    USER,
    Conversation,
    Message,
)
from kfine.inputs.text.folder import split_files

FILES = (*SUFFIXES, ".json", ".txt")
KINDS = (
    "a .csv, .tsv, .jsonl or .json file with the columns instruction,input,output; "
    "prompt,completion; messages; document,summary; question,answer; or text alone; a .txt file; "
    "or a folder with such files called train, validation and test"
)
# What a column of prompts is called -> what that of the replies beside it is.
_PAIRS = {
    "instruction": ("output", "response", "answer", "completion"),
    "prompt": ("completion", "response", "output", "answer", "reply"),
    "question": ("answer", "answers", "response", "output"),
    "document": ("summary",),
    "dialogue": ("summary",),
    "article": ("summary", "highlights"),
    "text": ("summary",),
}
_DOCUMENTS = ("document", "dialogue", "article", "text")
_MESSAGES = ("messages", "conversations", "conversation")
# As other tools call the roles.
_ROLES = {"human": USER, "gpt": ASSISTANT, "bot": ASSISTANT, "model": ASSISTANT}
# Of plain text, in characters: two hundred tokens or so.
PIECE = 800
# Replies that are longer than prompts by more are probably the prompts.
_SWAPPED = 4


@dataclass(frozen=True)
class ConversationSource:
    """What a source holds.

    Attributes:
        kind: As in `Source`.
        root: The folder of the files.
        conversations: Each with its reply.
        set_aside: Rows that cannot be used.
        warnings: What looks wrong.
        notes: How the columns were read.
    """

    kind: str
    root: Path
    conversations: tuple[Conversation, ...]
    set_aside: tuple[SetAside, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Format:
    """How the rows of a table are read.

    Attributes:
        prompt: Its column; empty where there are replies alone.
        more: A column that belongs to the prompt, `input`; empty if none.
        reply: Its column; empty where messages hold it, or where there is none.
    """

    prompt: str
    more: str = ""
    reply: str = ""

    @property
    def words(self) -> str:
        if not self.prompt:
            return f"the column {self.reply} as plain text"
        if self.prompt in _MESSAGES:
            return f"the column {self.prompt} as messages with roles"
        more = f" and {self.more}" if self.more else ""
        return f"{self.prompt}{more} as prompts, {self.reply} as replies"


def read_conversations(data: str, instruction: str = SUMMARIZE) -> ConversationSource:
    """List the conversations of a source, one for each reply that can be learned.

    Columns are told by their names, in any case: `instruction`, maybe `input`, and `output`;
    `prompt` and `completion`; `question` and `answer`; `document` and `summary`; `messages`, a
    list of objects with `role` and `content` (or `from` and `value`), in which each message of the
    assistant is a reply; and `text` alone, or a `.txt` file, which is learned as it stands.

    Args:
        data: A file, or a folder with files called train, validation and test.
        instruction: What stands before a document that is to be summarized.

    Raises:
        DataError: There is no such source, or it holds nothing to learn from.
    """
    path = existing_path(data, KINDS)
    files = _split_files(path) if path.is_dir() else [(path, None)]
    if path.is_file() and path.suffix.lower() not in FILES:
        raise DataError(f"{data} is a file of a kind that lists no prompts: wanted {KINDS}")
    found: list[Conversation] = []
    aside: list[SetAside] = []
    notes: list[str] = []
    for file, split in files:
        if file.suffix.lower() == ".txt":
            found += _pieces(file, split)
            continue
        table = _table(file)
        form = format_of_columns(table)
        notes.append(f"{file.name}: {form.words}")
        for row in table.rows:
            name = f"{printable(file.name)}:{row.line}"
            own = split or split_cell(file, row)
            try:
                found += _replies(form, row, name, own, instruction)
            except DataError as error:
                aside.append(SetAside(name, own, str(error)))
    if not found:
        first = f" (the first, {aside[0].name}: {aside[0].reason})" if aside else ""
        raise DataError(f"none of the {len(aside)} rows of {data} can be used{first}")
    root = path if path.is_dir() else path.parent
    warnings = _swapped(found)
    return ConversationSource(
        "table", root, tuple(found), tuple(aside), warnings, tuple(dict.fromkeys(notes))
    )


def _split_files(root: Path) -> list[tuple[Path, str | None]]:
    files = split_files(root, [*sorted(root.glob("*.json")), *sorted(root.glob("*.txt"))])
    if not files:
        raise DataError(f"the folder {root} has no file called train: wanted {KINDS}")
    return files


def _table(path: Path) -> Table:
    """A table, or the list of objects of a JSON file."""
    if path.suffix.lower() != ".json":
        return read_table(path)
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from None
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise DataError(f"{path} holds no list of objects, one for each example")
    rows = tuple(
        Row(number, {str(key).lower(): value for key, value in one.items()})
        for number, one in enumerate(content, 1)
    )
    return Table(path, tuple(dict.fromkeys(key for row in rows for key in row.cells)), rows)


def format_of_columns(table: Table, *, replies: bool = True) -> _Format:
    """How the rows of a table are read.

    Args:
        table: The table.
        replies: Whether there must be any.

    Raises:
        DataError: Its columns are not known.
    """
    columns = set(table.columns)
    for name in _MESSAGES:
        if name in columns:
            return _Format(name)
    for prompt, answers in _PAIRS.items():
        if prompt not in columns:
            continue
        reply = next((one for one in answers if one in columns), "")
        if reply or not replies:
            more = next((one for one in ("input", "context") if one in columns), "")
            return _Format(prompt, more if prompt == "instruction" else "", reply)
    if "text" in columns and replies:
        return _Format("", reply="text")
    listed = ", ".join(table.columns) or "none"
    raise DataError(f"{table.path} has the columns {listed}: wanted {KINDS}")


def _replies(
    form: _Format, row: Row, name: str, split: str | None, instruction: str
) -> Iterator[Conversation]:
    """The conversations of a row, one for each reply."""
    if form.prompt in _MESSAGES:
        yield from _spoken(messages_of(row.cells.get(form.prompt)), name, split)
        return
    reply = _text(row.cells.get(form.reply))
    if not reply.strip():
        raise DataError(f"no {form.reply}")
    messages = prompt_of_row(form, row, instruction)
    whole = "\n".join(one.content for one in messages) or name
    yield Conversation(messages, name, split, reply.strip(), whole)


def prompt_of_row(form: _Format, row: Row, instruction: str) -> tuple[Message, ...]:
    """The messages of a row that wait for a reply.

    Raises:
        DataError: There are none.
    """
    if form.prompt in _MESSAGES:
        found = messages_of(row.cells.get(form.prompt))
        return found[:-1] if found[-1].role == ASSISTANT else found
    if not form.prompt:
        return ()
    text = _text(row.cells.get(form.prompt)).strip()
    if not text:
        raise DataError(f"no {form.prompt}")
    more = _text(row.cells.get(form.more)).strip() if form.more else ""
    if form.prompt in _DOCUMENTS:
        text = f"{instruction}\n\n{text}" if instruction else text
    return (Message(USER, f"{text}\n\n{more}" if more else text),)


def messages_of(cell: Any) -> tuple[Message, ...]:
    """The messages of a cell, which may be JSON in a text.

    Raises:
        DataError: A few words on why there are none.
    """
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            raise DataError("the messages are no JSON") from None
    if not isinstance(cell, list) or not cell:
        raise DataError("no messages")
    found = []
    for one in cell:
        one = one if isinstance(one, dict) else {}
        role = str(one.get("role", one.get("from", ""))).lower()
        role = _ROLES.get(role, role)
        content = one.get("content", one.get("value"))
        if role not in ROLES:
            raise DataError(f"a message of the role {role!r}: known are {', '.join(ROLES)}")
        if not isinstance(content, str):
            raise DataError("a message without a text")
        found.append(Message(role, content))
    return tuple(found)


def _spoken(messages: Sequence[Message], name: str, split: str | None) -> Iterator[Conversation]:
    spoken = [
        number
        for number, one in enumerate(messages)
        if one.role == ASSISTANT and number and one.content.strip()
    ]
    if not spoken:
        raise DataError("no message of the assistant behind one of the user")
    for count, number in enumerate(spoken):
        own = f"{name}#{count + 1}" if count else name
        yield Conversation(
            tuple(messages[:number]), own, split, messages[number].content.strip(), name
        )


def _pieces(path: Path, split: str | None) -> list[Conversation]:
    """Plain text in pieces of `PIECE` characters or less, which end between two words."""
    text, found, start = read_text(path).strip(), [], 0
    while start < len(text):
        end = min(len(text), start + PIECE)
        if end < len(text):
            space = max(text.rfind(" ", start, end), text.rfind("\n", start, end))
            end = space + 1 if space > start else end
        piece = text[start:end].strip()
        if piece:
            name = f"{printable(path.name)}:{start}"
            found.append(Conversation((), name, split, piece, name))
        start = end
    if not found:
        raise DataError(f"{path} is empty")
    return found


def _swapped(found: Iterable[Conversation]) -> tuple[str, ...]:
    pairs = [
        (sum(len(m.content) for m in one.messages), len(one.reply or ""))
        for one in found
        if one.messages
    ]
    if not pairs:
        return ()
    prompts, replies = (median(lengths) for lengths in zip(*pairs, strict=True))
    if replies <= _SWAPPED * prompts:
        return ()
    return (
        f"half of the replies have {replies:.0f} characters or more, and half of the prompts "
        f"{prompts:.0f} or less: if the columns are swapped, rename them",
    )


def _text(cell: Any) -> str:
    if isinstance(cell, list):
        cell = cell[0] if cell else ""
    return "" if isinstance(cell, dict) else cell_text(cell)
