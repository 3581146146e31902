from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kfine.data.sources import read_source
from kfine.errors import DataError
from kfine.inputs.image.loading import load_images

MakeFolder = Callable[..., Path]


@pytest.fixture
def root(photo_folder: MakeFolder) -> Path:
    return photo_folder({"a": 3, "b": 3})


def write(root: Path, text: str, name: str = "list.csv") -> str:
    (root / name).write_text(text, encoding="utf-8")
    return str(root / name)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_gives_labels_and_splits(root: Path, separator: str) -> None:
    rows = [("Label", "path ", "note", "split"), ("x, y", "a/0.jpg", "", "train")]
    rows += [("ü", "a/1.jpg", "hm", "VAL"), ("ü", f"{root}/b/2.jpg", "", "")]
    lines = "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)
    source = read_source(write(root, "\ufeff" + lines))
    assert source.kind == "manifest"
    assert [(r.name, r.label, r.split) for r in source.records] == [
        ("a/0.jpg", "x, y", "train"),
        ("a/1.jpg", "ü", "validation"),
        ("b/2.jpg", "ü", None),
    ]
    assert all(record.path is not None and record.path.is_file() for record in source.records)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_excels_line_on_the_separator_is_followed(root: Path, separator: str) -> None:
    rows = [f"sep={separator}", f"path{separator}label", f"a/0.jpg{separator}x,y;z|"]
    rows[-1] = f'a/0.jpg{separator}"x,y;z|"'
    rows += [f"gone.jpg{separator}b", f"{separator}b"]
    source = read_source(write(root, "\n".join(rows)))
    assert [(record.name, record.label) for record in source.records] == [("a/0.jpg", "x,y;z|")]
    assert [one.name for one in source.set_aside] == ["gone.jpg", "line 5"]


@pytest.mark.parametrize("name", ["l.csv", "l.jsonl"])
def test_whole_numbers_are_one_class_with_and_without_decimals(root: Path, name: str) -> None:
    labels = ["0", "1", "0.0", "1.00", "-1.0", "1.5"]
    paths = [f"{folder}/{number}.jpg" for folder in "ab" for number in range(3)]
    text = "path,label\n" + "\n".join(map(",".join, zip(paths, labels, strict=True)))
    if name == "l.jsonl":
        rows = zip(paths, labels, strict=True)
        text = "\n".join(f'{{"path": "{path}", "label": {label}}}' for path, label in rows)
    found = [record.label for record in read_source(write(root, text, name)).records]
    assert found == ["0", "1", "0", "1", "-1", "1.5"]


def test_labels_that_are_none_are_set_aside_with_their_reason(root: Path) -> None:
    labels = ['"a"', "NaN", '"NaN"', '["a"]', '{"a": 1}', '"None"']
    paths = [f"{folder}/{number}.jpg" for folder in "ab" for number in range(3)]
    rows = [
        f'{{"path": "{path}", "label": {one}}}' for path, one in zip(paths, labels, strict=True)
    ]
    source = read_source(write(root, "\n".join(rows), "l.jsonl"))
    assert [record.label for record in source.records] == ["a", "None"]
    assert [one.reason for one in source.set_aside] == [
        "no label (nan stands for a missing value)",
        "no label (NaN stands for a missing value)",
        "the label is a list",
        "the label is a JSON object",
    ]


def test_jsonl_gives_the_same_as_csv(root: Path) -> None:
    rows = [{"path": f"{c}/{i}.jpg", "label": c, "split": "train"} for c in "ab" for i in (0, 1)]
    jsonl = "\n".join(json.dumps(row) for row in rows) + "\n\n"
    table = "path,label,split\n" + "\n".join(",".join(row.values()) for row in rows)
    from_json = read_source(write(root, jsonl, "list.jsonl"))
    assert from_json.records == read_source(write(root, table)).records


def test_numbers_are_labels_too(root: Path) -> None:
    text = '{"path": "a/0.jpg", "label": 0}\n{"path": "b/0.jpg", "label": 1, "split": null}'
    labels = [record.label for record in read_source(write(root, text, "l.jsonl")).records]
    assert labels == ["0", "1"]


def test_a_row_with_more_cells_than_columns_merges_no_classes(root: Path) -> None:
    rows = [
        "path,label",
        "a/0.jpg,oak, red",
        "a/1.jpg,oak, white",
        "a/2.jpg,elm,,",
        'b/0.jpg,"a,b"',
    ]
    source = read_source(write(root, "\n".join(rows)))
    assert [record.label for record in source.records] == ["elm", "a,b"]
    assert [one.name for one in source.set_aside] == ["a/0.jpg", "a/1.jpg"]
    assert {one.reason for one in source.set_aside} == {
        "3 cells for 2 columns (a cell without quotes?)"
    }
    rows = [row for row in rows if '"a,b"' not in row]
    words = "only one class, 'elm'.*2 examples were set aside, such as a/0.jpg: 3 cells for 2"
    with pytest.raises(DataError, match=words):
        load_images(
            write(root, "\n".join(rows)),
            image_size=(8, 8),
            validation_split=0.2,
            test_split=0.1,
            seed=0,
            memory_budget=10**8,
            folder=root / "cache",
        )


def test_rows_that_cannot_be_used_are_named(root: Path) -> None:
    rows = ["path,label", "a/0.jpg,a", "a/0.jpg,a", "gone.jpg,a", "a/1.jpg,", ",b", "b/0.jpg,b"]
    rows += ["x" * 5000 + ".jpg,b"]
    source = read_source(write(root, "\n".join(rows)))
    assert [item.reason for item in source.set_aside] == [
        "listed twice",
        "no such file",
        "no label",
        "no path",
        "no such file",
    ]
    assert source.set_aside[3].name == "line 6"
    assert len(source.records) == 2


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("l.csv", "file,class\na,b\n", "no column path and no column label. Received: file, class"),
        ("l.csv", "", "Received: an empty file"),
        ("l.csv", "path,label\n", "lists no examples"),
        ("l.csv", "path,label\nnope.jpg,a\n", "none of the 1 rows .*nope.jpg: no such file"),
        ("l.csv", "path,label,split\na/0.jpg,a,trian\n", "line 2: the split 'trian' is none of"),
        ("l.csv", "path,label\na/0.jpg,a\na/0.jpg,b\n", "line 3: a/0.jpg is labelled 'b' here"),
        ("l.jsonl", "path,label\n", "line 1: not JSON"),
        ("l.jsonl", '{"path": "a"}\n', "line 1: wanted .*Received: path"),
        ("l.jsonl", "[1]\n", "Received: list"),
    ],
)
def test_a_bad_manifest_is_one_sentence(root: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_source(write(root, text, name))
    assert "\n" not in str(caught.value)


def test_a_manifest_in_another_encoding_is_named(root: Path) -> None:
    (root / "l.csv").write_bytes("path,label\na/0.jpg,ü\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_source(str(root / "l.csv"))
