"""Where labelled texts come from, and the sentence for each that cannot be used."""

from __future__ import annotations

import codecs
import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kfine.data.records import Record
from kfine.errors import DataError
from kfine.inputs.text.sources import read_texts

WriteTable = Callable[..., Path]


def found(data: object, **options: Any) -> dict[str, tuple[str | None, str, str | None]]:
    records = read_texts(str(data), **options).records
    return {record.name: (record.text, record.label, record.split) for record in records}


def refusal(data: object, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_texts(str(data), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_row_is_named_by_its_file_and_the_line_where_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text('text,label,split\n"two\nlines",a,\n\nüber,b,VAL\n"say ""hi""", b,test\n')
    assert found(path) == {
        "train.csv:2": ("two\nlines", "a", None),
        "train.csv:5": ("über", "b", "validation"),
        "train.csv:6": ('say "hi"', " b", "test"),
    }


def test_a_text_is_no_part_of_what_makes_records_equal() -> None:
    assert Record("a", "b", text="c") == Record("a", "b", text="d")
    assert "secret" not in repr(Record("a", "b", text="secret"))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.ndjson"])
def test_all_kinds_of_files_hold_the_same(name: str, tmp_path: Path) -> None:
    rows = [{"text": "one, two; three", "label": "a"}, {"text": "four", "label": "b"}]
    with (tmp_path / name).open("w", newline="") as file:
        if "json" in name:
            file.write("\n".join(json.dumps(row) for row in rows))
        else:
            table = csv.DictWriter(
                file, ("text", "label"), delimiter="\t" if "tsv" in name else ","
            )
            table.writeheader()
            table.writerows(rows)
    source = read_texts(str(tmp_path / name))
    assert [(r.text, r.label) for r in source.records] == [tuple(row.values()) for row in rows]
    assert source.kind == "table" and source.notes == ()


def test_numbers_in_json_are_labels_as_text(tmp_path: Path) -> None:
    labels = [0, 1, 1.5, True, "0"]
    rows = [json.dumps({"text": f"text {i}", "label": label}) for i, label in enumerate(labels)]
    (tmp_path / "t.jsonl").write_text("\n".join(rows))
    assert [label for _, label, _ in found(tmp_path / "t.jsonl").values()] == [
        *("0", "1", "1.5", "true", "0")
    ]


def test_files_named_after_splits_are_the_splits(write_table: WriteTable, tmp_path: Path) -> None:
    for name in ("train.csv", "DEV.csv", "other.csv"):
        write_table(name)
    (tmp_path / "test.jsonl").write_text('{"text": "fine", "label": "good"}\n')
    (tmp_path / "README.md").write_text("about")
    source = read_texts(str(tmp_path))
    assert {record.name: record.split for record in source.records} == {
        **{f"train.csv:{line}": "train" for line in range(2, 10)},
        **{f"DEV.csv:{line}": "validation" for line in range(2, 10)},
        "test.jsonl:1": "test",
    }
    assert source.warnings == (
        f"{tmp_path / 'other.csv'} lies beside the splits (train.csv, DEV.csv, test.jsonl) and is "
        "ignored",
    )


def test_a_folder_of_class_folders_holds_a_text_per_file(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for label in ("ham", "spam"):
            (tmp_path / split / label).mkdir(parents=True)
            (tmp_path / split / label / "1.txt").write_text(f"{label} für dich", "utf-8")
    assert found(tmp_path) == {
        f"{folder}/{label}/1.txt": (f"{label} für dich", label, split)
        for folder, split in (("train", "train"), ("val", "validation"))
        for label in ("ham", "spam")
    }
    assert read_texts(str(tmp_path)).kind == "folder"
    assert set(found(tmp_path / "val")) == {"ham/1.txt", "spam/1.txt"}


def test_files_that_are_no_texts_are_set_aside_with_the_reason(tmp_path: Path) -> None:
    for label, contents in {
        "a": [b"fine", b"", b" \n", "grün".encode("latin-1"), b"\x89PNG\r\n\x1a\n" + b"0" * 20],
        "b": [b"fine too", b"zip\0zip"],
        "c": [b"\xff"],
    }.items():
        (tmp_path / label).mkdir()
        for number, content in enumerate(contents):
            (tmp_path / label / f"{number}.txt").write_bytes(content)
    source = read_texts(str(tmp_path))
    assert [record.name for record in source.records] == ["a/0.txt", "b/0.txt"]
    assert {item.name: item.reason for item in source.set_aside} == {
        "a/1.txt": "empty file",
        "a/2.txt": "empty text",
        "a/3.txt": "not UTF-8 (byte 0xfc in line 1)",
        "a/4.txt": "an image",
        "b/1.txt": "not text, or UTF-16 without a mark (byte 0x00 in line 1)",
        "c/0.txt": "not UTF-8 (byte 0xff in line 1)",
    }
    assert "3 files are set aside for their encoding, such as a/3.txt is" in source.warnings[0]
    assert source.warnings[1] == "not one text in the class folder c can be used"


@pytest.mark.parametrize(
    ("header", "columns", "words"),
    [
        ("text,label", ("text", "label"), None),
        ("Review,Sentiment", ("review", "sentiment"), "texts are in the column 'review' and label"),
        ("v2,v1", ("v2", "v1"), "labels are in the column 'v1'"),
        ("text,mood", ("text", "mood"), "of t.csv: labels are in the column 'mood' (text_column"),
        ("what was said,label", ("what was said", "label"), "the column 'what was said' (text"),
    ],
)
def test_what_was_guessed_is_said(
    write_table: WriteTable, header: str, columns: tuple[str, str], words: str | None
) -> None:
    source = read_texts(str(write_table("t.csv", header=header)))
    assert (source.records[0].text, source.records[0].label) == ("a joy from start to end", "good")
    assert source.notes == () if words is None else words in source.notes[0]
    given = read_texts(
        str(write_table("t.csv", header=header)), text_column=columns[0], label_column=columns[1]
    )
    assert given.records == source.records and given.notes == ()


def test_an_id_is_never_taken_for_a_label(tmp_path: Path, reviews: list[tuple[str, str]]) -> None:
    lines = [
        f"{i},user{i % 2},{i % 3},{text},{label}" for i, (text, label) in enumerate(reviews * 4)
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["id,user_id,idx,comment,mood", *lines]))
    assert {label for _, label, _ in found(path).values()} == {"good", "bad"}
    path.write_text("\n".join(["id,comment", *(f"{i},{t}" for i, (t, _) in enumerate(reviews))]))
    assert refusal(path).startswith(
        f"{path} has no column that could be the label; there are: id, comment; name it with"
    )
    # A column that is called a label and counts the rows is none.
    path.write_text("\n".join(["class,comment", *(f"{i},text {i}" for i in range(50))]))
    assert "no column that could be the label" in refusal(path)


def test_columns_that_are_named_win_over_names_that_would_be_guessed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label,Summary,id\nlong text,a,short,1\nmore,b,brief,2\n")
    options = {"text_column": " summary", "label_column": "ID"}
    assert [r[:2] for r in found(tmp_path / "t.csv", **options).values()] == [
        ("short", "1"),
        ("brief", "2"),
    ]


def test_the_longer_of_two_unknown_columns_is_the_text(tmp_path: Path) -> None:
    rows = [f"north,{i} miles of road to the sea" for i in range(3)]
    rows += [f"south,{i} days on foot through the hills" for i in range(3)]
    (tmp_path / "t.csv").write_text("\n".join(["where,what", *rows]))
    assert found(tmp_path / "t.csv")["t.csv:2"][:2] == ("0 miles of road to the sea", "north")


def test_a_guess_between_two_columns_is_left_to_the_user(tmp_path: Path) -> None:
    rows = [f"text number {i},{'ab'[i % 2]},{'xy'[i // 4]}" for i in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(["text,mood,place", *rows]))
    message = refusal(tmp_path / "t.csv")
    assert "2 columns that could be the label: mood, place; name it with label_column" in message


def test_a_table_without_names_of_columns_does_not_lose_its_first_row(
    write_table: WriteTable,
) -> None:
    message = refusal(write_table("t.csv", header="what a film,good"))
    assert "the first line of" in message and "write the names of the columns above" in message


def test_columns_that_are_missing_are_named_with_those_there_are(
    write_table: WriteTable, tmp_path: Path
) -> None:
    path = write_table("train.csv", header="review,mood")
    message = f"{path} has no column 'body'; there are: review, mood"
    assert refusal(path, text_column="body") == message
    assert "no column 'stars'; there are: review, mood" in refusal(path, label_column="stars")
    assert "cannot hold both" in refusal(path, text_column="mood", label_column="MOOD")
    write_table("test.csv", header="review,feeling")
    assert refusal(tmp_path) == (
        f"{tmp_path / 'test.csv'} has no column 'mood', as train.csv has; there are: review, "
        "feeling"
    )
    assert "has two columns called 'label'" in refusal(
        write_table("two.csv", header="text,label,Label")
    )
    (tmp_path / "n.csv").write_text("x,y\n1,2\n3,4\n")
    assert "has no column that looks like texts; there are: x, y; name it with text_column" in (
        refusal(tmp_path / "n.csv")
    )


def test_rows_that_cannot_be_used_are_set_aside_by_name(tmp_path: Path) -> None:
    rows = ["text,label", "fine,a", ",a", "  ,a", "no label,", "well, yes,a", "fine,b", ",c"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    source = read_texts(str(tmp_path / "t.csv"))
    assert list(found(tmp_path / "t.csv")) == ["t.csv:2", "t.csv:7"]
    assert {item.name: item.reason for item in source.set_aside} == {
        "t.csv:3": "empty text",
        "t.csv:4": "empty text",
        "t.csv:5": "no label",
        "t.csv:6": "3 cells for 2 columns (a text without quotes?)",
        "t.csv:8": "empty text",
    }
    assert source.warnings == ("not one text labelled 'c' can be used (such as t.csv:8)",)


def test_values_of_json_that_are_no_text_are_set_aside(tmp_path: Path) -> None:
    rows = [
        '{"text": "fine", "label": "a"}',
        '{"text": null, "label": "a"}',
        '{"text": ["a", "b"], "label": "a"}',
        '{"text": "fine", "label": ["a", "b"]}',
        '{"text": "fine", "label": {"a": 1}}',
        '{"text": "half \\ud83d", "label": "a"}',
        '{"text": "fine"}',
        '{"text": "fine", "label": NaN}',
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(rows))
    assert [item.reason for item in read_texts(str(tmp_path / "t.jsonl")).set_aside] == [
        "empty text",
        "the text is a list",
        "the label is a list",
        "the label is a JSON object",
        "not valid Unicode",
        "no label",
        "no label",
    ]


def test_a_cell_may_be_longer_than_the_csv_module_likes(write_table: WriteTable) -> None:
    limit = csv.field_size_limit()
    path = write_table("t.csv", [("word " * 50_000, "a"), ("short", "b")])
    assert len(found(path)["t.csv:2"][0] or "") == 250_000
    assert csv.field_size_limit() == limit


def test_a_quote_that_is_never_closed_swallows_nothing(tmp_path: Path) -> None:
    rows = ["text,label", "fine,a", '"so he said,a', "fine,b", "fine,b", ""]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    message = refusal(tmp_path / "t.csv")
    assert "line 3: a quote is opened here and never closed, so that 3 lines would be" in message


@pytest.mark.parametrize("second", ['"so he said\tb', '"twice" he said\tb'])
def test_quotes_in_a_tsv_that_does_not_quote_are_signs(second: str, tmp_path: Path) -> None:
    rows = ["text\tlabel", '"well\ta', second, 'a "b\ta', '"\tb']
    (tmp_path / "t.tsv").write_text("\n".join(rows))
    texts = [text for text, _, _ in found(tmp_path / "t.tsv").values()]
    assert texts == ['"well', second.split("\t")[0], 'a "b', '"']


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_byte_order_mark_says_the_encoding(encoding: str, name: str, tmp_path: Path) -> None:
    text = "text,label\nüber,a\n" if name == "t.csv" else '{"text": "über", "label": "a"}\n'
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert [record[:2] for record in found(tmp_path / name).values()] == [("über", "a")]


def test_another_encoding_is_named_with_its_place_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("text,label\nfine,a\nüber,b\n".encode("latin-1"))
    assert refusal(path) == (
        f"{path} is not UTF-8 (byte 0xfc in line 3): save it as UTF-8, such as with iconv -f "
        "WINDOWS-1252 -t UTF-8 t.csv if that is what it is in"
    )
    path.write_bytes("text,label\nfine,a\n".encode("utf-16-le"))
    assert "not text, or UTF-16 without a mark (byte 0x00 in line 1)" in refusal(path)
    path.write_bytes(codecs.BOM_UTF16_LE + b"t\0e")
    assert "not UTF-16 (byte 0x65 in line 1)" in refusal(path)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "", "lists no texts: wanted rows of text,label"),
        ("t.csv", "text,label\n", "lists no texts: wanted rows of text,label"),
        ("t.jsonl", "\n\n", "lists no texts"),
        ("t.csv", "text,label\n,a\n", "none of the 1 rows of .*t.csv:2: empty text"),
        ("t.jsonl", "text,label\n", "line 1: not JSON"),
        ("t.jsonl", "[1]\n", "line 1: wanted .*Received: list"),
        ("t.csv", "text,label,split\nfine,a,trian\n", "line 2: the split 'trian' is none of"),
        ("t.csv", "path,label\na/0.jpg,a\nb/0.JPG,b\n", "'path' lists image files.*image_classif"),
        ("t.txt", "fine\n", "a file of a kind that lists no texts: wanted a .csv"),
        ("t.xlsx", "PK", "a file of a kind that lists no texts"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        read_texts(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_what_is_no_source_is_one_sentence(tmp_path: Path) -> None:
    assert "there is no folder or file" in refusal(tmp_path / "none.csv")
    assert "no data given: wanted a .csv" in refusal(" ")
    assert "cannot be read" in refusal("x" * 5000)
    assert "cannot be read" in refusal("a\0b")


def test_a_folder_that_holds_no_texts_is_one_sentence(
    photo_folder: Callable[..., Path], write_table: WriteTable, tmp_path: Path
) -> None:
    photos = photo_folder({"cat": 3, "dog": 3})
    assert refusal(photos) == (
        f"{photos} holds images (such as cat/0.jpg) and not texts: the recipe "
        "image_classification is for those"
    )
    (tmp_path / "empty").mkdir()
    assert "is empty: put in train.csv and test.csv" in refusal(tmp_path / "empty")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("hello")
    assert "holds 1 text but no class folders" in refusal(tmp_path / "notes")
    assert "holds only one folder" in refusal_of_wrapped(tmp_path / "wrapped")
    table = write_table("tables/reviews.csv")
    assert f"give {table} if that lists the texts" in refusal(table.parent)
    for name in ("both/train.csv", "both/train.jsonl"):
        write_table(name)
    assert "two files for the train split, train.csv and train.jsonl" in refusal(tmp_path / "both")


def refusal_of_wrapped(root: Path) -> str:
    for label in "ab":
        (root / "inner" / label).mkdir(parents=True)
        (root / "inner" / label / "1.txt").write_text("hello")
    return refusal(root)


def test_columns_of_a_folder_of_files_are_refused(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.txt").write_text("hello")
    assert "holds class folders and no columns" in refusal(tmp_path, text_column="text")


def test_a_column_split_beside_split_files_is_said_to_be_ignored(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label,split\nfine,a,test\nbad,b,test\n")
    source = read_texts(str(tmp_path))
    assert {record.split for record in source.records} == {"train"}
    assert "the column 'split' of" in source.warnings[0]


def test_reading_texts_imports_nothing_heavy(write_table: WriteTable) -> None:
    path = write_table("t.csv")
    code = (
        "import sys; from kfine.inputs.text.loading import load_texts;"
        "from kfine.inputs.text.sources import read_texts;"
        f"read_texts({str(path)!r});"
        "print([m for m in ('keras', 'tensorflow', 'sklearn', 'scipy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
