"""Labels sit on the first piece of their token, and come back as entities of the text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kfine.answers.tags.bio import tag_names
from kfine.answers.tags.rows import IGNORED, TextEntity, align_labels, read_tags, text_entities
from kfine.errors import DataError
from kfine.inputs.text.tokenizers import Tokenizer, load_tokenizer
from kfine.inputs.text.tokenizers.standalone import _byte_chars
from kfine.inputs.text.words import SpannedText, encode_tokens, join_tokens
from kfine.presets import find_preset

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "new", "york", "##shire", "is", "##n", "'"]
PIECES += ["t", "big", "a", "##b", "-"]
NAMES = tag_names(["place", "person"])
TOKENS = ["New", "Yorkshire", "isn't", "big"]
TAGS = ["B-place", "I-place", "O", "O"]


@pytest.fixture
def word_piece(tmp_path: Path) -> Tokenizer:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    return load_tokenizer(find_preset(str(tmp_path)))


@pytest.fixture
def byte_pair(tmp_path: Path) -> Tokenizer:
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}', encoding="utf-8")
    tokens = ["<s>", "<pad>", "</s>", "<mask>", *_byte_chars(), "ĠY", "ew", "New"]
    vocabulary = json.dumps({token: number for number, token in enumerate(tokens)})
    (tmp_path / "vocab.json").write_text(vocabulary, encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\nĠ Y\ne w\nN ew\n", encoding="utf-8")
    return load_tokenizer(find_preset(str(tmp_path)))


def test_tokens_are_joined_by_single_spaces() -> None:
    text = join_tokens(["New", "", "York"])
    assert text == SpannedText("New  York", ((0, 3), (4, 4), (5, 9)))


def test_the_first_piece_of_a_token_carries_its_tag(word_piece: Tokenizer) -> None:
    rows = encode_tokens(word_piece, [join_tokens(TOKENS)], 12)
    pieces = [PIECES[number] for number in rows.token_ids[0]]
    assert pieces[:9] == ["[CLS]", "new", "york", "##shire", "is", "##n", "'", "t", "big"]
    assert pieces[9:] == ["[SEP]", "[PAD]", "[PAD]"]
    assert rows.owners[0].tolist() == [-1, 0, 1, 1, 2, 2, 2, 2, 3, -1, -1, -1]
    assert rows.padding_mask[0].tolist() == [True] * 10 + [False] * 2
    assert rows.segment_ids is not None and not rows.segment_ids.any()
    labels = align_labels(rows, [TAGS], NAMES)
    assert [NAMES[one] if one != IGNORED else "" for one in labels[0]] == [
        *["", "B-place", "I-place", "", "O", "", "", "", "O", "", "", ""]
    ]
    kinds = [rows.token_ids.dtype, rows.padding_mask.dtype, rows.owners.dtype, labels.dtype]
    assert kinds == [np.int32, bool, np.int32, np.int32]


def test_byte_pairs_keep_the_space_before_a_token(byte_pair: Tokenizer) -> None:
    rows = encode_tokens(byte_pair, [join_tokens(["New", "Yo", "é"])], 10)
    pieces = {number: piece for piece, number in byte_pair.vocabulary.items()}
    assert [pieces[number] for number in rows.token_ids[0]] == [
        *["<s>", "New", "ĠY", "o", "Ġ", "Ã", "©", "</s>", "<pad>", "<pad>"]
    ]
    # The space alone is of no token; both bytes of the letter are of the last.
    assert rows.owners[0].tolist() == [-1, 0, 1, 1, -1, 2, 2, -1, -1, -1]
    assert rows.segment_ids is None
    labels = align_labels(rows, [["B-place", "I-place", "O"]], NAMES)
    assert np.flatnonzero(labels[0] != IGNORED).tolist() == [1, 2, 5]


def test_tokens_that_do_not_fit_are_counted_and_read_as_o(word_piece: Tokenizer) -> None:
    texts = [join_tokens(TOKENS), join_tokens(["big"])]
    rows = encode_tokens(word_piece, texts, 5)
    assert rows.owners[0].tolist() == [-1, 0, 1, 1, -1]
    assert rows.token_counts.tolist() == [4, 1]
    assert rows.cut_counts.tolist() == [2, 0]
    labels = align_labels(rows, [["B-place", "I-place", "O", "B-person"], ["O"]], NAMES)
    assert read_tags(labels, rows, NAMES) == [("B-place", "I-place", "O", "O"), ("O",)]


@pytest.mark.parametrize("empty", ["", "\u200b", "\x07\t", "\u2028"])
def test_tokens_without_a_piece_shift_nothing(word_piece: Tokenizer, empty: str) -> None:
    tokens = [empty, "New", empty, empty, "York", empty, "big", empty]
    tags = ["B-person", "B-place", "I-place", "I-place", "I-place", "O", "B-place", "I-place"]
    text = join_tokens(tokens)
    rows = encode_tokens(word_piece, [text], 10)
    assert rows.owners[0].tolist()[:5] == [-1, 1, 4, 6, -1]
    assert rows.cut_counts.tolist() == [0] and rows.pieceless_counts.tolist() == [5]
    # Inside an entity they belong to it; at its ends nothing tells.
    known = ["O", "B-place", "I-place", "I-place", "I-place", "O", "B-place", "O"]
    assert read_tags(align_labels(rows, [tags], NAMES), rows, NAMES) == [tuple(known)]


def test_an_i_after_another_type_begins_an_entity(word_piece: Tokenizer) -> None:
    text = join_tokens(TOKENS)
    rows = encode_tokens(word_piece, [text], 12)
    predictions = np.full(rows.owners.shape, NAMES.index("I-person"), np.int64)
    predictions[0, 2:8] = NAMES.index("I-place")
    (tags,) = read_tags(predictions, rows, NAMES)
    assert tags == ("B-person", "B-place", "I-place", "B-person")
    assert text_entities(text, tags) == [
        TextEntity("person", 0, 3, "New"),
        TextEntity("place", 4, 19, "Yorkshire isn't"),
        TextEntity("person", 20, 23, "big"),
    ]


def test_spans_of_a_text_of_ones_own_are_kept(word_piece: Tokenizer) -> None:
    text = SpannedText("(New-York!)", ((1, 4), (5, 9)))
    rows = encode_tokens(word_piece, [text], 9)
    # The brackets and marks between tokens are of none.
    assert rows.owners[0].tolist() == [-1, -1, 0, -1, 1, -1, -1, -1, -1]
    labels = align_labels(rows, [["B-place", "I-place"]], NAMES)
    found = text_entities(text, read_tags(labels, rows, NAMES)[0])
    assert found == [TextEntity("place", 1, 9, "New-York")]


def test_no_texts_give_no_rows(word_piece: Tokenizer) -> None:
    rows = encode_tokens(word_piece, [], 8)
    assert rows.token_ids.shape == (0, 8)
    assert read_tags(align_labels(rows, [], NAMES), rows, NAMES) == []


def test_what_does_not_belong_together_is_refused(word_piece: Tokenizer) -> None:
    rows = encode_tokens(word_piece, [join_tokens(TOKENS)], 12)
    with pytest.raises(DataError, match="does not know the entity types film: it was trained on p"):
        align_labels(rows, [["B-film", "I-film", "O", "O"]], NAMES)
    with pytest.raises(ValueError, match="Each token needs one tag"):
        align_labels(rows, [TAGS[:3]], NAMES)
    with pytest.raises(ValueError, match="predictions must be"):
        read_tags(np.zeros((1, 5), np.int32), rows, NAMES)
    with pytest.raises(ValueError, match="cannot hold 2 special ids"):
        encode_tokens(word_piece, [join_tokens(TOKENS)], 1)


def test_each_word_of_a_long_text_belongs_to_one_window(word_piece: Tokenizer) -> None:
    text = join_tokens(TOKENS * 9)
    whole = encode_tokens(word_piece, [text], 200)
    rows = encode_tokens(word_piece, [join_tokens(TOKENS), text], 10, stride=5)
    assert rows.examples.tolist() == [0, *[1] * (len(rows.examples) - 1)]
    assert len(rows.examples) > 5 and rows.cut_counts.tolist() == [0, 0]
    own = rows.owners[1:][rows.first_pieces[1:]]
    assert own.tolist() == whole.owners[0][whole.first_pieces[0]].tolist()
    # All but the first and the last window see words before and behind those that are theirs.
    for row in rows.first_pieces[2:-1]:
        places = np.flatnonzero(row)
        assert places[0] > 1 and places[-1] < 8
    tags = [["O"] * len(TOKENS), [f"B-{n}" for n in range(9 * len(TOKENS))]]
    names = ["O", *tags[1]]
    labels = align_labels(rows, tags, names)
    assert read_tags(np.where(labels < 0, 0, labels), rows, names) == [*map(tuple, tags)]
