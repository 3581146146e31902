"""Questions with answers that stand in a context, from SQuAD's JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfine.data.files import (
    check_keys,
    ignored_warnings,
    is_unicode,
    split_files,
)
from kfine.data.records import SetAside, printable
from kfine.data.sources import existing_path
from kfine.data.tables import read_text
from kfine.errors import DataError
from kfine.inputs.text.examples import Question

_WANTED = "a .json file as SQuAD's, or a folder with train.json, validation.json, test.json"
# What was found out about the answers of one question.
_REPAIRED, _LOST = "repaired", "lost"


@dataclass(frozen=True)
class QuestionSource:
    """What a source of questions holds.

    Attributes:
        kind: `squad`.
        root: The folder that the files lie in.
        questions: By split (train, validation, test), each in the order of its file.
        set_aside: Questions that cannot be used, and why.
        warnings: Sentences on what looks wrong.
        notes: Sentences on how the answers were read.
    """

    kind: str
    root: Path
    questions: tuple[Question, ...]
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_squad(data: str | Path) -> QuestionSource:
    """Read questions in the JSON of SQuAD 1.1 or 2.0 (https://rajpurkar.github.io/SQuAD-explorer).

    `data` holds articles, each with `paragraphs`, each with a `context` and its `qas`: `id`,
    `question`, `answers` (`text` and `answer_start`, in characters) and, in 2.0,
    `is_impossible`. A folder has one file for each split.

    An answer that does not stand where it should is moved to where it does, if the context has
    it exactly once; else it is left out. A question without an answer left is set aside, unless
    it is marked impossible. Both are counted.

    Raises:
        DataError: A file cannot be read, is not of this form, or holds no question to use.
    """
    path = existing_path(str(data), _WANTED)
    files: dict[str | None, Path] = {None: path}
    warnings: list[str] = []
    if path.is_dir():
        files, warnings = _choose(path)
    elif path.suffix.lower() != ".json":
        raise DataError(f"{path} is a file of a kind that holds no questions: wanted {_WANTED}")
    questions: list[Question] = []
    set_aside: list[SetAside] = []
    counts: Counter[str] = Counter()
    for split, file in files.items():
        used, aside = _read_file(file, split, counts)
        if not used:
            raise DataError(_nothing(file, aside))
        questions += used
        set_aside += aside
    if counts[_LOST]:
        warnings.append(f"{counts[_LOST]} answers do not stand in their context and are left out")
    notes = [f"{counts[_REPAIRED]} answers stood elsewhere in their context than they said"]
    return QuestionSource(
        kind="squad",
        root=path if path.is_dir() else path.parent,
        questions=tuple(questions),
        set_aside=tuple(set_aside),
        warnings=tuple(warnings),
        notes=tuple(notes if counts[_REPAIRED] else ()),
    )


def _choose(folder: Path) -> tuple[dict[str | None, Path], list[str]]:
    found, ignored = split_files(folder, (".json",))
    for split, paths in found.items():
        if len(paths) > 1:
            names = " and ".join(printable(path.name) for path in paths)
            raise DataError(f"{folder} holds several files of {split}, {names}: keep one of them")
    return {split: paths[0] for split, paths in found.items()}, ignored_warnings(ignored)


def _read_file(
    path: Path, split: str | None, counts: Counter[str]
) -> tuple[list[Question], list[SetAside]]:
    """The questions of a file; counts what was found out about the answers."""
    used: list[Question] = []
    aside: list[SetAside] = []
    names: set[str] = set()
    for context, row in _rows(path):
        name, question = str(row["id"]), row["question"].strip()
        impossible = bool(row.get("is_impossible", False))
        answers = _answers(context, row["answers"], counts)
        reason = None
        if name in names:
            reason = "its id was used before"
        elif not question or not context.strip():
            reason = "no question" if not question else "no context"
        elif not is_unicode(question + context):
            reason = "half a surrogate pair, which is no character"
        elif impossible and row["answers"]:
            reason = "marked impossible, and has answers"
        elif not impossible and not answers:
            reason = "no answer that stands in its context" if row["answers"] else "no answer"
        if reason:
            aside.append(SetAside(printable(name), split, reason))
            continue
        names.add(name)
        used.append(Question(printable(name), split, question, context, answers, impossible))
    return used, aside


def _answers(
    context: str, written: Sequence[dict[str, Any]], counts: Counter[str]
) -> tuple[tuple[int, str], ...]:
    """Place and text of the answers that stand in the context."""
    found = []
    for answer in written:
        start, text = answer["answer_start"], answer["text"]
        if not text.strip():
            counts[_LOST] += 1
            continue
        if start < 0 or not context.startswith(text, start):
            start = context.find(text)
            if start < 0 or context.find(text, start + 1) >= 0:
                counts[_LOST] += 1
                continue
            counts[_REPAIRED] += 1
        found.append((start, text))
    return tuple(found)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Context and question with answers, as written; checked to have the keys and types."""
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{path} is not JSON{where}: wanted SQuAD's form") from None
    check_keys(content, ("data",), str(path))
    for number, article in enumerate(_list(content["data"], f"{path}: 'data'"), start=1):
        place = f"{path}, article {number}"
        check_keys(article, ("paragraphs",), place)
        paragraphs = _list(article["paragraphs"], f"{place}: 'paragraphs'")
        for order, paragraph in enumerate(paragraphs, start=1):
            of = f"{place}, paragraph {order}"
            check_keys(paragraph, ("context", "qas"), of)
            _text(paragraph["context"], f"{of}: 'context'")
            for row in _list(paragraph["qas"], f"{of}: 'qas'"):
                yield paragraph["context"], _checked(row, of)


def _checked(row: object, place: str) -> dict[str, Any]:
    check_keys(row, ("id", "question"), place)
    assert isinstance(row, dict)
    place = f"{place}, question {str(row['id'])[:50]}"
    _text(row["question"], f"{place}: 'question'")
    if not row.get("is_impossible", False):
        check_keys(row, ("id", "question", "answers"), place)
    answers = _list(row.get("answers", []), f"{place}: 'answers'")
    for answer in answers:
        check_keys(answer, ("text", "answer_start"), place)
        _text(answer["text"], f"{place}: 'text'")
        if type(answer["answer_start"]) is not int:
            raise DataError(
                f"{place}: 'answer_start' is a number of characters. Received: "
                f"{str(answer['answer_start'])[:50]!r}"
            )
    return {**row, "answers": answers}


def _list(value: object, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{place} is a list. Received: a {type(value).__name__}")
    return value


def _text(value: object, place: str) -> None:
    if not isinstance(value, str):
        raise DataError(f"{place} is a text. Received: a {type(value).__name__}")


def _nothing(path: Path, aside: Sequence[SetAside]) -> str:
    if not aside:
        return f"{path} holds no questions"
    first = aside[0]
    return (
        f"none of the {len(aside)} questions of {path} can be used (the first, {first.name}: "
        f"{first.reason})"
    )
