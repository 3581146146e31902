"""Tagged sentences are read whatever scheme their tags are in, and bad lines are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfine.answers.tags.bio import Entity, find_entities, tag_names, to_bio
from kfine.answers.tags.tagged import read_tagged
from kfine.errors import DataError

CONLL = "-DOCSTART- -X- O O\n\nAda NNP I-NP B-person\nLovelace NNP I-NP I-person\nwrote VBD O O\n"
CONLL += "\n \nin\tO\nLondon\tB-place\n"


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def lines(*rows: object) -> str:
    return "\n".join(json.dumps(row) for row in rows) + "\n"


def row(words: str, tags: str, **more: object) -> dict[str, object]:
    return {"tokens": words.split(), "tags": tags.split(), **more}


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_conll_gives_sentences_with_the_last_column_as_tags(tmp_path: Path, ending: str) -> None:
    source = read_tagged(write(tmp_path / "a.conll", "\ufeff" + CONLL.replace("\n", ending)))
    assert [(one.name, one.split, one.tokens, one.tags) for one in source.sentences] == [
        ("a.conll:3", None, ("Ada", "Lovelace", "wrote"), ("B-person", "I-person", "O")),
        ("a.conll:8", None, ("in", "London"), ("O", "B-place")),
    ]
    assert (source.kind, source.root, source.notes) == ("conll", tmp_path, ())
    assert source.entity_types == ("person", "place")


TOKENS = ("Ada", "wrote", "1", ":")
TAGS = ("B-person", "O", "O", "O")


def rows_of(first: int, prefix: str = "", *, numbered: bool = True, more: str = "") -> str:
    rows = zip(TOKENS, TAGS, strict=True)
    return "".join(
        (f"{number}\t" if numbered else "") + f"{prefix}{token}\t{more}{tag}\n"
        for number, (token, tag) in enumerate(rows, first)
    )


@pytest.mark.parametrize(
    "text",
    [
        rows_of(1),
        rows_of(0),
        rows_of(1, more="NNP\t_\t"),
        rows_of(1, "en:"),
        rows_of(1, "zh-yue:", numbered=False),
        "# sent_id = 1\n# text = Ada wrote 1 :\n" + rows_of(1),
        "-DOCSTART- -X- O O\n\n" + rows_of(1, numbered=False, more="NNP\tI-NP\t"),
    ],
)
def test_columns_and_lines_beside_the_tokens_are_none(tmp_path: Path, text: str) -> None:
    source = read_tagged(write(tmp_path / "a.conll", f"{text}\n{text}"))
    assert [(one.tokens, one.tags) for one in source.sentences] == [(TOKENS, TAGS)] * 2


def test_numbers_and_colons_that_are_tokens_stay(tmp_path: Path) -> None:
    text = "1\tO\n2\tO\nAda\tB-person\n\n3\tx\tO\nen:b\tx\tO\n#\tx\tO\n"
    sentences = read_tagged(write(tmp_path / "a.conll", text)).sentences
    assert [one.tokens for one in sentences] == [("1", "2", "Ada"), ("3", "en:b", "#")]


def test_white_space_that_separates_nothing_stays_in_a_token(tmp_path: Path) -> None:
    text = "a\u2028b\tB-x\n\tO\n\n10\xa0000 O\nB  I-x \n"
    sentences = read_tagged(write(tmp_path / "a.conll", text)).sentences
    assert [one.tokens for one in sentences] == [("a\u2028b", ""), ("10\xa0000", "B")]


def test_a_byte_order_mark_says_how_a_file_is_encoded(tmp_path: Path) -> None:
    text = "Zoë B-x\nsings O\n\nZoë B-x\n"
    plain = read_tagged(write(tmp_path / "plain.conll", text))
    for encoding in ("utf-8-sig", "utf-16"):
        marked = read_tagged(write(tmp_path / f"{encoding}.conll", text.encode(encoding)))
        assert [one.tokens for one in marked.sentences] == [one.tokens for one in plain.sentences]


def test_jsonl_gives_sentences_and_their_splits(tmp_path: Path) -> None:
    rows = [row("Ada wrote", "B-x O", split="dev", id=7), row("Ada", "B-x")]
    source = read_tagged(write(tmp_path / "a.jsonl", lines(*rows)))
    assert [(one.name, one.split) for one in source.sentences] == [
        ("a.jsonl:1", "validation"),
        ("a.jsonl:2", None),
    ]


@pytest.mark.parametrize(
    ("written", "bio", "repaired"),
    [
        ("B-x I-x O B-x", "B-x I-x O B-x", 0),
        ("I-x I-x O I-x", "B-x I-x O B-x", 2),
        ("I-x B-x I-y I-y", "B-x B-x B-y I-y", 2),
        ("B-x E-x S-y B-y I-y E-y I-y", "B-x I-x B-y B-y I-y I-y B-y", 1),
        ("U-x I-x B-y L-y L-y", "B-x B-x B-y I-y B-y", 2),
        ("E-x O", "B-x O", 1),
    ],
)
def test_tags_of_each_scheme_become_bio(written: str, bio: str, repaired: int) -> None:
    assert to_bio(written.split()) == (tuple(bio.split()), repaired)
    assert find_entities(written.split()) == find_entities(bio.split())


def test_entities_are_spans_of_tokens() -> None:
    tags = ["B-creative-work", "I-creative-work", "B-creative-work", "O", "I-x", "I-y"]
    assert find_entities(tags) == [
        Entity("creative-work", 0, 2),
        Entity("creative-work", 2, 3),
        Entity("x", 4, 5),
        Entity("y", 5, 6),
    ]
    assert tag_names(["y", "x", "y"]) == ("O", "B-x", "I-x", "B-y", "I-y")


def test_repaired_and_rewritten_tags_are_counted(tmp_path: Path) -> None:
    text = lines(row("a b c", "I-x I-x O"), row("a b c d", "S-x B-x E-x O"))
    source = read_tagged(write(tmp_path / "a.jsonl", text))
    assert [one.tags for one in source.sentences] == [
        ("B-x", "I-x", "O"),
        ("B-x", "B-x", "I-x", "O"),
    ]
    first, second = source.notes
    assert first.startswith("1 of 3 entities begin with a tag that continues one")
    assert second.startswith("2 tags E, S, L and U")


def test_a_folder_gives_splits_and_prefers_jsonl(tmp_path: Path) -> None:
    write(tmp_path / "wnut.train.conll", "a B-x\n")
    write(tmp_path / "train.jsonl", lines(row("b", "B-x"), row("b", "B-x", split="train")))
    write(tmp_path / "dev.txt", "c B-x\n")
    write(tmp_path / "test.conll", "d B-y\nd B-y\n")
    write(tmp_path / "more.conll", "nothing that could be read")
    write(tmp_path / "README.md", "not looked at")
    source = read_tagged(tmp_path)
    assert [(one.split, one.tokens[0]) for one in source.sentences] == [
        ("train", "b"),
        ("train", "b"),
        ("validation", "c"),
        ("test", "d"),
    ]
    assert source.kind == "conll and jsonl"
    assert source.warnings == (
        "ignored, since their names say no split or several: more.conll",
        "not read, since there is a JSONL file of the same split: wnut.train.conll",
        "no training sentence has an entity of the type 'y'",
    )


def test_sentences_without_words_are_set_aside_and_counted(tmp_path: Path) -> None:
    rows = [row("", ""), row("a a", "B-x B-x"), {"tokens": ["\u2003"], "tags": ["O"]}]
    rows += [{"tokens": ["\ud83d"], "tags": ["O"], "split": "test"}]
    source = read_tagged(write(tmp_path / "a.jsonl", lines(*rows)))
    assert [(one.name, one.split, one.reason) for one in source.set_aside] == [
        ("a.jsonl:1", None, "no words"),
        ("a.jsonl:3", None, "no words"),
        ("a.jsonl:4", "test", "half a surrogate pair, which is no character"),
    ]
    assert [one.name for one in source.sentences] == ["a.jsonl:2"]


def test_a_type_with_one_entity_is_warned_of(tmp_path: Path) -> None:
    source = read_tagged(write(tmp_path / "a.conll", "a B-x\na B-x\nb B-y\nb I-y\n"))
    assert source.warnings == ("there is only one entity of the type 'y'",)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (
            "a.conll",
            "a B-x\nb\n",
            "line 2: wanted a token and its tag .* Received: one column, 'b'",
        ),
        ("a.conll", "a B-x\n\nb x\n", "line 3: 'x' is no tag; tags are O, B-TYPE"),
        ("a.conll", "a O\nb O\n", "holds no entity: all tags of its 1 sentences are O"),
        ("a.conll", "\n\n", "holds no sentences"),
        ("a.conll", b"a O\nb\xe9 O\n", r"not UTF-8 \(byte 0xe9 in line 2\): save it as"),
        ("a.conll", b"\xffa", r"not UTF-8 \(byte 0xff in line 1\)"),
        ("a.jsonl", lines(row("a b", "B-x")), "line 1: 2 tokens and 1 tags; each token needs one"),
        ("a.jsonl", "\n{'a'\n", "line 2: not JSON; wanted one object a line"),
        (
            "a.jsonl",
            '{"words": [], "tags": []}',
            "if you like, 'split'. Received: 'words', 't",
        ),
        ("a.jsonl", "[1]", "line 1: wanted an object .* Received: a list"),
        ("a.jsonl", '{"tokens": ["a"], "tags": [3]}', "Received: '3'; write the names of the tags"),
        ("a.jsonl", '{"tokens": "a", "tags": []}', "'tokens' is a list of words. Received: 'a'"),
        ("a.jsonl", lines(row("a", "LOC")), "line 1: 'LOC' is no tag"),
        ("a.jsonl", lines(row("a", "B-x", split="all")), "the split 'all' is none of train"),
        ("a.jsonl", lines(row("", "")), r"none of the 1 sentences .* can be used \(no words\)"),
        ("a.png", "", "is a file of a kind that holds no tagged text"),
    ],
)
def test_bad_files_end_in_one_sentence(
    tmp_path: Path, name: str, text: str | bytes, sentence: str
) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(DataError, match=sentence) as error:
        read_tagged(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_bad_folders_end_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder or file"):
        read_tagged(tmp_path / "gone")
    write(tmp_path / "words.conll", "a B-x\n")
    with pytest.raises(DataError, match=r"holds no file named train.conll or .*: words.conll"):
        read_tagged(tmp_path)
    write(tmp_path / "train.jsonl", lines(row("a", "B-x", split="test")))
    with pytest.raises(DataError, match="line 1: says split 'test', in a file named after train"):
        read_tagged(tmp_path)
    write(tmp_path / "training.jsonl", lines(row("a", "B-x")))
    with pytest.raises(DataError, match=r"several files of train, train.jsonl and training.jsonl"):
        read_tagged(tmp_path)
