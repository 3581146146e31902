"""Conversations in files, told by their columns."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from kfine.answers.reply import load_replies
from kfine.data.shared_names import shared_parts
from kfine.errors import DataError
from kfine.inputs.prompt.conversation import Conversation, Message
from kfine.inputs.prompt.tables import PIECE, SUMMARIZE, read_conversations


def table(path: Path, rows: list[dict[str, Any]]) -> str:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"instruction": "Add", "input": "1 and 2", "output": "3"}, user("Add\n\n1 and 2")),
        ({"instruction": "Add", "input": "", "output": "3"}, user("Add")),
        ({"Prompt": "Add", "Completion": "3"}, user("Add")),
        ({"prompt": "Add", "response": "3", "input": "not read"}, user("Add")),
        ({"question": "1 and 2?", "answer": "3"}, user("1 and 2?")),
        ({"document": "long", "summary": "3"}, user(f"{SUMMARIZE}\n\nlong")),
        ({"text": "long", "summary": "3"}, user(f"{SUMMARIZE}\n\nlong")),
        ({"text": "3"}, ()),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_columns_tell_prompts_and_replies(
    row: dict[str, str], messages: tuple[Message, ...], suffix: str, tmp_path: Path
) -> None:
    found = read_conversations(table(tmp_path / f"rows{suffix}", [row, row]))
    assert [one.messages for one in found.conversations] == [messages] * 2
    assert [one.reply for one in found.conversations] == ["3", "3"]
    assert len({one.name for one in found.conversations}) == 2


@pytest.mark.parametrize("key", ["messages", "conversations"])
def test_each_message_of_the_assistant_is_a_reply(key: str, tmp_path: Path) -> None:
    spoken = [
        {"from": "system", "value": "Be kind."},
        {"from": "human", "value": "Hi"},
        {"from": "gpt", "value": "Hello"},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "See you"},
    ]
    # In a CSV they are JSON in a cell.
    cells: list[Any] = [{key: spoken}]
    for path, rows in (
        (tmp_path / "chats.jsonl", cells),
        (tmp_path / "chats.csv", [{key: json.dumps(spoken)}]),
    ):
        first, second = read_conversations(table(path, rows)).conversations
        assert [one.role for one in first.messages] == ["system", "user"]
        assert [one.content for one in second.messages] == ["Be kind.", "Hi", "Hello", "Bye"]
        assert (first.reply, second.reply) == ("Hello", "See you")
        # No split divides them.
        assert first.whole == second.whole and first.name != second.name


def test_plain_text_is_cut_between_words(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(600)]
    (tmp_path / "book.txt").write_text(" ".join(words))
    found = read_conversations(str(tmp_path / "book.txt")).conversations
    assert all(not one.messages and len(one.reply or "") <= PIECE for one in found)
    assert " ".join(one.reply or "" for one in found).split() == words


def test_what_cannot_be_used_is_set_aside(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "a", "completion": "b"},
        {"prompt": "", "completion": "b"},
        {"prompt": "a", "completion": " "},
    ]
    found = read_conversations(table(tmp_path / "rows.jsonl", rows))
    assert len(found.conversations) == 1
    assert [one.reason for one in found.set_aside] == ["no prompt", "no completion"]
    broken = [
        {"messages": [{"role": "user", "content": "a"}]},
        {"messages": [{"role": "tool", "content": "a"}]},
        {"messages": "x"},
        {"messages": []},
        {"messages": [{"role": "user"}]},
    ]
    with pytest.raises(DataError, match="none of the 5 rows"):
        read_conversations(table(tmp_path / "broken.jsonl", broken))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", "a,b\n1,2\n", "has the columns a, b: wanted"),
        ("x.json", '{"prompt": "a"}', "holds no list of objects"),
        ("x.json", "[", "is no JSON"),
        ("x.txt", " \n", "is empty"),
        ("x.pdf", "a", "lists no prompts"),
    ],
)
def test_other_files_are_refused(name: str, content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=words):
        read_conversations(str(tmp_path / name))


def test_folders_hold_splits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file called train"):
        read_conversations(str(tmp_path))
    for split in ("train", "validation", "test"):
        rows = [{"prompt": f"{split} {n}", "completion": f"{n}"} for n in range(9)]
        table(tmp_path / f"{split}.jsonl", rows)
    data = load_replies(str(tmp_path), instruction="")
    assert {name: len(split) for name, split in data.splits.items()} == dict.fromkeys(
        ("train", "validation", "test"), 9
    )
    assert isinstance(data.train.examples()[0], Conversation)
    (tmp_path / "train.csv").write_text("prompt,completion\na,b\n")
    with pytest.raises(DataError, match="two files for the train split"):
        read_conversations(str(tmp_path))


def test_no_split_divides_replies_to_one_prompt(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n // 4}", "completion": f"{n}"} for n in range(80)]
    data = load_replies(
        table(tmp_path / "rows.jsonl", rows), instruction="", validation_split=0.2, test_split=0.2
    )
    held = [{one.messages[0].content for one in split.examples()} for split in data.splits.values()]
    assert len(held) == 3 and sum(map(len, held)) == len(set.union(*held)) == 20


def test_columns_that_may_be_swapped_are_warned_of(tmp_path: Path) -> None:
    rows = [{"prompt": "yes", "completion": "a long text " * 9}] * 3
    (line,) = read_conversations(table(tmp_path / "rows.jsonl", rows)).warnings
    assert "if the columns are swapped" in line
    rows = [{"prompt": "a long text " * 9, "completion": "yes"}] * 3
    assert not read_conversations(table(tmp_path / "rows.jsonl", rows)).warnings


def test_files_of_splits_say_nothing_of_where_examples_come_from(tmp_path: Path) -> None:
    for split in ("train", "test"):
        rows = [{"prompt": f"{split} {n}", "completion": f"{n}"} for n in range(30)]
        table(tmp_path / f"{split}.jsonl", rows)
    data = load_replies(str(tmp_path), instruction="", validation_split=0.2)
    assert shared_parts(data) == []
