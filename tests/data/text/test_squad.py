"""Questions are read with answers that stand in their context, and nothing is lost silently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kfine.answers.spans.squad import Question, read_squad
from kfine.errors import DataError

CONTEXT = "Ada met Babbage in London. London was wet."


def asked(name: str, *answers: tuple[int, str], **more: Any) -> dict[str, Any]:
    found = [{"answer_start": start, "text": text} for start, text in answers]
    return {"id": name, "question": f" Where is {name}?", "answers": found, **more}


def squad(*rows: dict[str, Any], context: str = CONTEXT) -> dict[str, Any]:
    return {"version": "1.1", "data": [{"paragraphs": [{"context": context, "qas": list(rows)}]}]}


def write(path: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


GOOD = asked("good", (19, "London"))


def test_questions_keep_all_their_answers(tmp_path: Path) -> None:
    rows = [asked("a", (19, "London"), (27, "London")), asked("b", is_impossible=True)]
    source = read_squad(write(tmp_path / "a.json", squad(*rows)))
    assert source.questions == (
        Question("a", None, "Where is a?", CONTEXT, ((19, "London"), (27, "London")), False),
        Question("b", None, "Where is b?", CONTEXT, (), True),
    )
    assert (source.kind, source.root) == ("squad", tmp_path)
    assert (source.set_aside, source.warnings, source.notes) == ((), (), ())


def test_an_answer_that_stands_elsewhere_once_is_moved_there(tmp_path: Path) -> None:
    rows = [asked("a", (9, "Babbage"), (-1, "Ada"), (99, "wet")), asked("b", (19, "London"))]
    source = read_squad(write(tmp_path / "a.json", squad(*rows)))
    assert source.questions[0].answers == ((8, "Babbage"), (0, "Ada"), (38, "wet"))
    assert source.notes == ("3 answers stood elsewhere in their context than they said",)
    assert all(
        CONTEXT[start : start + len(text)] == text
        for question in source.questions
        for start, text in question.answers
    )


def test_what_cannot_be_used_is_named_and_counted(tmp_path: Path) -> None:
    rows = [
        asked("a", (20, "London"), (0, "Ada"), (0, "")),
        asked("twice", (20, "London")),
        asked("nowhere", (0, "Paris")),
        asked("empty"),
        asked("torn", (0, "Ada"), is_impossible=True),
        asked("a", (0, "Ada")),
        asked("silent", (0, "Ada"), question="  "),
        asked("half", (0, "Ada"), question="\ud83d?"),
    ]
    source = read_squad(write(tmp_path / "a.json", squad(*rows)))
    assert [(one.name, one.answers) for one in source.questions] == [("a", ((0, "Ada"),))]
    assert [(one.name, one.reason) for one in source.set_aside] == [
        ("twice", "no answer that stands in its context"),
        ("nowhere", "no answer that stands in its context"),
        ("empty", "no answer"),
        ("torn", "marked impossible, and has answers"),
        ("a", "its id was used before"),
        ("silent", "no question"),
        ("half", "half a surrogate pair, which is no character"),
    ]
    assert source.warnings == ("4 answers do not stand in their context and are left out",)


def test_a_folder_gives_splits(tmp_path: Path) -> None:
    write(tmp_path / "train-v2.0.json", squad(GOOD))
    write(tmp_path / "dev-v2.0.json", squad(GOOD, asked("b", is_impossible=True)))
    write(tmp_path / "settings.json", {})
    source = read_squad(tmp_path)
    assert [(one.name, one.split) for one in source.questions] == [
        ("good", "train"),
        ("good", "validation"),
        ("b", "validation"),
    ]
    assert source.warnings == ("ignored, since their names say no split or several: settings.json",)
    write(tmp_path / "train.json", squad(GOOD))
    with pytest.raises(DataError, match=r"several files of train, train-v2\.0\.json and train\.js"):
        read_squad(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"data": [}', r"is not JSON \(line 1\): wanted SQuAD's form"),
        ([], "wanted an object with 'data'. Received: a list"),
        ({"rows": 1, "n": 2}, "wanted an object with 'data'. Received: 'rows', 'n'"),
        ({"data": {}}, "'data' is a list. Received: a dict"),
        ({"data": [{"title": ""}]}, "article 1: wanted .* 'paragraphs'. Received: 'title'"),
        (
            {"data": [{"paragraphs": [{"context": ""}]}]},
            "paragraph 1: wanted .* Received: 'context'",
        ),
        (squad(GOOD, context=None), "paragraph 1: 'context' is a text. Received: a NoneType"),  # type: ignore[arg-type]
        (squad({"id": 1}), "paragraph 1: wanted .* 'id', 'question'. Received: 'id'"),
        (
            squad({"id": 1, "question": "?"}),
            "question 1: wanted .* 'answers'. Received: 'id', 'que",
        ),
        (squad({**GOOD, "answers": [{"text": ""}]}), "question good: wanted .* Received: 'text'"),
        (squad(asked("a", ("1", "Ada"))), "'answer_start' is a number of .* Received: '1'"),  # type: ignore[arg-type]
        (squad(), "holds no questions"),
        (squad(asked("a")), r"none of the 1 questions .* \(the first, a: no answer\)"),
    ],
)
def test_bad_files_end_in_one_sentence(tmp_path: Path, content: object, sentence: str) -> None:
    path = write(tmp_path / "a.json", content)
    with pytest.raises(DataError, match=sentence) as error:
        read_squad(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_bad_places_end_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"data":\n"\xe9"}')
    with pytest.raises(DataError, match=r"not UTF-8 \(byte 0xe9 in line 2\)"):
        read_squad(tmp_path / "a.json")
    with pytest.raises(DataError, match=r"holds no file named train.json; there is: a.json"):
        read_squad(tmp_path)
    with pytest.raises(DataError, match=r"there is no folder or file .*gone: wanted a .json file"):
        read_squad(tmp_path / "gone")
    with pytest.raises(DataError, match="no data given"):
        read_squad("")
    with pytest.raises(DataError, match="of a kind that holds no questions"):
        read_squad(write(tmp_path / "a.csv", "a,b"))
