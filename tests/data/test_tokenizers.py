"""Tokenizers in plain Python give the ids that weights were pretrained with, as a graph does."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, normalizers, pre_tokenizers, trainers

from kfine.errors import PresetError
from kfine.inputs.text.graph_tokenizer import GraphTokenizer
from kfine.inputs.text.text import Text, text_of_preset
from kfine.inputs.text.tokenizers import (
    TokenizerFiles,
    load_tokenizer,
    read_tokenizer,
    write_tokenizer,
)
from kfine.inputs.text.tokenizers import from_preset as module
from kfine.inputs.text.tokenizers.from_preset import tokenizer_of
from kfine.inputs.text.tokenizers.standalone import BytePair, WordPiece, load
from kfine.presets import find_preset

PINNED = json.loads(Path(module.__file__).with_name("unicode.json").read_text("utf-8"))
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    "the",
    "film",
    "##s",
    "fine",
    "fi",
    "##ne",
    "o",
    "##ö",
    "zürich",
    "ångström",
    "2",
    ",",
    ".",
]


def in_graph(layer: Callable[[Any], Any], texts: Sequence[str]) -> list[list[int]]:
    """Ids as a `tf.data` pipeline and a SavedModel give them; the eager path is another code."""

    import tensorflow as tf

    data = tf.data.Dataset.from_tensors(tf.constant(list(texts))).map(layer)
    ragged: list[list[int]] = next(iter(data)).to_list()
    return ragged


def newer_than_unicode_14() -> list[str]:
    ranges = " ".join(PINNED["bpe"].values()).split()
    ends = [one.split("-") for one in ranges]
    return [chr(code) for end in ends for code in range(int(end[0], 16), int(end[-1], 16) + 1)]


def fuzzed_texts(count: int, seed: int) -> list[str]:
    """Texts of neighbouring characters from many scripts; no NUL, at which TensorFlow cuts."""
    assigned = [
        char
        for char in map(chr, range(1, 0x110000))
        if unicodedata.category(char) not in ("Cn", "Cs", "Co")
    ]
    pools: list[Sequence[str]] = [
        list(map(chr, range(32, 127))),
        list(map(chr, range(1, 33))),
        assigned,
        [char for char in assigned if unicodedata.category(char).startswith("M")],
        newer_than_unicode_14(),
        list("\u200b\u200c\u200d\u2060\ufeff\u034f\xad\ufe0f\xa0\u3000\u202f\u2009\u0345६०'"),
    ]
    blocks = [(0xC0, 0x24F), (0x590, 0x6FF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x3040, 0x30FF)]
    blocks += [(0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1FAFF)]
    pools += [[chr(code) for code in range(*block)] for block in blocks]
    choose = random.Random(seed)
    extras = [" ", "  ", "'s", "'LL", " 12345", "\n\n", "<s>", "</s> ", "[MASK]", "e\u0301"]
    extras += ["ΣΑΣ", "İ", "ß", "ﬁ", "≠", "각", "👩\u200d🔬", "❤\ufe0f"]
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(choose.randint(1, 12)):
            parts += choose.choices(choose.choice(pools), k=choose.randint(1, 4))
            parts += choose.choices(extras, k=1) if choose.random() < 0.3 else []
        texts.append("".join(parts))
    return [
        *texts,
        "",
        " ",
        "a" * 100,
        "a" * 101,
        "é" * 50,
        "é" * 51,
        "a\u034f\u0301b",
        "६ ६",
        "१६",
    ]


def word_piece(vocabulary: Sequence[str], **rules: Any) -> WordPiece:
    common = {"sequence_length": None, "truncate": "round_robin", "unicode": PINNED["wordpiece"]}
    # The rules that the module writes for a preset of such a class.
    description = {**common, **module._word_piece_rules(rules)}
    return WordPiece(description, {token: number for number, token in enumerate(vocabulary)})


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return fuzzed_texts(3000, seed=5)


@pytest.fixture(scope="module")
def characters(texts: list[str]) -> list[str]:
    """A vocabulary in which almost every character is a piece, so that few words are unknown."""
    forms = {unicodedata.normalize(form, "".join(texts)) for form in ("NFC", "NFD")}
    found = {char for form in forms for char in form + form.lower() if char.strip()}
    return [*SPECIALS, *sorted(found), *(f"##{char}" for char in sorted(found))]


def files_of_words(vocabulary: Sequence[str], **rules: Any) -> TokenizerFiles:
    common = {"format": module.FORMAT, "sequence_length": 64, "truncate": "round_robin"}
    described: dict[str, Any] = {**common, "kind": "wordpiece", "vocabulary": "vocabulary.txt"}
    described["unicode"] = PINNED["wordpiece"]
    description = {**described, **module._word_piece_rules(rules)}
    return TokenizerFiles(description, {"vocabulary.txt": "\n".join(vocabulary).encode()})


@pytest.mark.parametrize(
    "rules", [{}, {"lowercase": True}, {"lowercase": True, "strip_accents": True}]
)
def test_many_texts_at_once_have_the_tokens_of_one_by_one(
    texts: list[str], characters: list[str], rules: dict[str, Any]
) -> None:
    from kfine.inputs.text.tokenizers.once import Memory

    plain = word_piece(characters, **rules)
    memory = Memory(plain, files_of_words(characters, **rules))
    words = ["the film's plot,", "Grüße aus Köln!", "x" * 120, "ß" * 60, "naïve 漢字 👍 “so”"]
    mixed = [*texts, *(f"{one} {two}" for one, two in zip(words * 20, texts, strict=False)), *words]
    memory.read(mixed)
    fast = memory.tokenized
    assert fast > 50, "the library took some"
    assert [memory.tokens(text) for text in mixed] == [plain.tokenize(text) for text in mixed]
    assert fast < memory.tokenized == len(set(mixed)), "and plain Python those that it must"


def test_inputs_of_several_lengths_share_what_was_tokenized() -> None:
    files = files_of_words([*SPECIALS, *WORDS, "shared"])
    short, long = (Text(files).with_sequence_length(length) for length in (8, 16))
    texts = [f"the film {number}" for number in range(100)]
    rows = [one.encode(texts).rows["token_ids"] for one in (short, long, short)]
    assert [one.shape for one in rows] == [(100, 8), (100, 16), (100, 8)]
    assert short.tokenizer._memory is long.tokenizer._memory
    assert short.tokenizer._memory.tokenized == 100


@pytest.fixture(scope="module")
def byte_pairs() -> tuple[dict[str, int], list[str]]:
    """A byte-level BPE vocabulary trained on the package's own texts."""
    tokenizer = FastTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=["<s>", "<pad>", "</s>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(Path(module.__file__).read_text("utf-8").splitlines(), trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    return trained["vocab"], [" ".join(pair) for pair in trained["merges"]]


def byte_pair(vocabulary: dict[str, int], merges: list[str], **rules: Any) -> BytePair:
    common = {"sequence_length": None, "truncate": "round_robin", "unicode": PINNED["bpe"]}
    rules = module._byte_pair_rules("RobertaTokenizer", rules)
    return BytePair({**common, **rules}, vocabulary, merges)


def fast(
    vocabulary: Sequence[str], *, lowercase: bool = True, strip_accents: bool | None = None
) -> FastTokenizer:
    """What BERT's checkpoints were pretrained with."""
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = FastTokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=lowercase, strip_accents=strip_accents
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False])
def test_word_pieces_are_those_of_the_tokenizers_library(
    texts: list[str], characters: list[str], lowercase: bool, strip_accents: bool
) -> None:
    rules = {"lowercase": lowercase, "strip_accents": strip_accents}
    theirs, ours = fast(characters, **rules), word_piece(characters, **rules)
    ids = [[token.id for token in ours.tokenize(text)] for text in texts]
    assert ids == [theirs.encode(text).ids for text in texts]
    assert np.mean(np.concatenate(ids) == 1) < 0.1


@pytest.mark.keras
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"lowercase": True},
        {"lowercase": True, "strip_accents": True},
        {"lowercase": True, "strip_accents": True, "special_tokens_in_strings": True},
    ],
)
def test_a_graph_has_the_word_pieces_and_their_places(
    texts: list[str], characters: list[str], rules: dict[str, Any]
) -> None:
    # TensorFlow looks for special tokens up to a NUL only.
    import tensorflow as tf

    texts = [text.replace("\0", " ") for text in (*texts, "\u0301", "\u0301a", "[SEP]x[MASK]")]
    ours = word_piece(characters, **rules)
    graph = GraphTokenizer(Text(files_of_words(characters, **rules)))
    data = tf.data.Dataset.from_tensors(tf.constant(texts)).map(graph.pieces)
    found = (one.to_list() for one in next(iter(data)))
    for text, *pieces in zip(texts, *found, strict=True):
        assert list(zip(*pieces, strict=True)) == [tuple(one) for one in ours.tokenize(text)], text


def test_special_tokens_in_texts_are_found_before_anything_else(
    texts: list[str], characters: list[str]
) -> None:
    theirs = fast(characters, strip_accents=False)
    theirs.add_special_tokens(SPECIALS)
    # The unknown token is not one to be found in a text, as in KerasHub.
    texts = [text for text in texts if "[UNK]" not in text] + ["[MASK]s the[SEP][CLS] [mask]"]
    ours = word_piece(characters, lowercase=True, special_tokens_in_strings=True)
    ids = [[token.id for token in ours.tokenize(text)] for text in texts]
    assert ids == [theirs.encode(text, add_special_tokens=False).ids for text in texts]


def test_every_character_is_of_the_class_that_the_tokenizers_library_sees() -> None:
    """Where this fails, the library knows another version of Unicode: `unicode.json` follows it."""
    names = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    clean, cjk, strip, lower = (
        normalizers.BertNormalizer(**{other: other == name for other in names}) for name in names
    )
    words = pre_tokenizers.BertPreTokenizer()
    ours = word_piece([*SPECIALS, *WORDS], lowercase=True, strip_accents=True)
    wrong = []
    for char in map(chr, (*range(0xD800), *range(0xE000, 0x110000))):
        text = f"a{char}b"
        stripped = strip.normalize_str(text)
        kind = None
        if clean.normalize_str(text) in ("ab", "a b"):
            kind = "dropped" if clean.normalize_str(text) == "ab" else "spaces"
        elif cjk.normalize_str(text) != text:
            kind = "cjk"
        elif len(words.pre_tokenize_str(text)) == 3:
            kind = "alone"
        elif stripped == "ab":
            kind = "marks"
        own = ours.kind(char)
        parts = "".join(one for one in ours.parts(char) if ours.kind(one) != "marks")
        same = (None if own == "ordered" else own) == kind
        same &= kind in ("dropped", "spaces") or f"a{parts}b" == stripped
        if not same or f"a{ours.lower(char)}b" != lower.normalize_str(text):
            wrong.append((hex(ord(char)), own, kind))
    assert wrong == []


def test_a_word_of_ten_thousand_characters_is_one_unknown_word() -> None:
    tokenizer = word_piece([*SPECIALS, *WORDS])
    assert tokenizer.tokenize("the " + "o" * 10_000) == [(5, 0, 3), (1, 4, 10_004)]


@pytest.mark.keras
@pytest.mark.parametrize("prefix", [True, False])
def test_byte_pairs_are_kerashubs_on_fuzzed_unicode(
    texts: list[str], byte_pairs: tuple[dict[str, int], list[str]], prefix: bool
) -> None:
    import keras_hub

    texts = [*texts, "the " * 60, "x" * 300, " \xa0\u2009\u202f\u3000", *WORDS]
    theirs = keras_hub.tokenizers.RobertaTokenizer(*byte_pairs, add_prefix_space=prefix)
    ours = byte_pair(*byte_pairs, add_prefix_space=prefix)
    assert [[t.id for t in ours.tokenize(text)] for text in texts] == in_graph(theirs, texts)


def test_a_long_word_of_bytes_is_joined_in_time(
    byte_pairs: tuple[dict[str, int], list[str]],
) -> None:
    ours = byte_pair(*byte_pairs)
    word = "token" * 2_000
    names = {number: token for token, number in ours.vocabulary.items()}
    assert "".join(names[token.id] for token in ours.tokenize(word)) == word


def packed_by_kerashub(layer: Any, firsts: list[str], seconds: list[str]) -> dict[str, Any]:
    import tensorflow as tf

    data = tf.data.Dataset.from_tensors((tf.constant(firsts), tf.constant(seconds)))
    # By name: given in place, a pair is taken for texts and labels.
    packed: dict[str, Any] = next(iter(data.map(lambda a, b: layer(x=(a, b)))))
    return packed


@pytest.mark.keras
@pytest.mark.parametrize(
    ("kind", "length", "truncate"),
    [
        ("bert", 8, "round_robin"),
        ("bert", 11, "waterfall"),
        ("bert", 40, "round_robin"),
        ("roberta", 11, "round_robin"),
    ],
)
def test_packed_pairs_are_kerashubs(
    byte_pairs: tuple[dict[str, int], list[str]], kind: str, length: int, truncate: str
) -> None:
    import keras_hub

    hub, vocabulary = keras_hub.models, [*SPECIALS, *WORDS]
    theirs: Any
    ours: WordPiece | BytePair
    if kind == "bert":
        theirs = hub.BertTextClassifierPreprocessor(hub.BertTokenizer(vocabulary))
        ours = word_piece(vocabulary)
    else:
        theirs = hub.RobertaTextClassifierPreprocessor(hub.RobertaTokenizer(*byte_pairs))
        ours = byte_pair(*byte_pairs)
    theirs.sequence_length, theirs.truncate = length, truncate
    ours.sequence_length, ours.description["truncate"] = length, truncate
    firsts = ["The film.", "the films , the films , fine", "", "o"]
    seconds = ["fine fine fine fine fine", "o", "2.", ""]
    pairs = [ours.encode_pair(a, b) for a, b in zip(firsts, seconds, strict=True)]
    for name, values in packed_by_kerashub(theirs, firsts, seconds).items():
        assert np.array_equal([getattr(pair, name) for pair in pairs], values), name


def test_offsets_name_the_text_of_each_token() -> None:
    vocabulary = [*SPECIALS, *WORDS, "angstrom", "zurich", "##²"]
    tokenizer = word_piece(vocabulary, lowercase=True, strip_accents=True)
    text = "The\tA\u030angstro\u0308m fi\xadlms\u200b, ﬁne Zürich² ."
    encoding = tokenizer.encode(text, sequence_length=15)
    spans = [span and text[slice(*span)] for span in encoding.offsets]
    assert spans == [
        *(None, "The", "A\u030angstro\u0308m", "fi\xadlm", "s", ",", "ﬁne", "Zürich", "²", "."),
        *[None] * 5,
    ]
    assert encoding.padding_mask == [1] * 11 + [0] * 4
    assert tokenizer.encode(text, sequence_length=6).tokens_cut == 5


def test_offsets_of_byte_pairs_leave_out_the_space(
    byte_pairs: tuple[dict[str, int], list[str]],
) -> None:
    text = " the wörld's 😀"
    for prefix in (True, False):
        tokens = byte_pair(*byte_pairs, add_prefix_space=prefix).tokenize(text)
        words = [text[token.start : token.end] for token in tokens]
        assert {"the", "ö", "😀"} <= set(words)
        assert all(0 <= token.start < token.end <= len(text) for token in tokens[prefix:])


@pytest.fixture(scope="module")
def bert_folder(needs_keras: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras_hub

    folder = tmp_path_factory.mktemp("bert")
    vocabulary = [*SPECIALS, *WORDS]
    keras_hub.models.BertTokenizer(vocabulary, lowercase=True).save_to_preset(folder)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    return folder


def test_a_preset_folder_is_read_without_tensorflow_and_keras(bert_folder: Path) -> None:
    program = (
        "import sys; from kfine.presets import find_preset;"
        "from kfine.inputs.text.tokenizers import load_tokenizer;"
        f"print(load_tokenizer(find_preset({str(bert_folder)!r})).encode('Fine films').token_ids);"
        "assert not {'tensorflow', 'keras', 'keras_hub', 'numpy'} & set(sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (answer.stderr, answer.stdout) == ("", "[2, 8, 6, 7, 3]\n")


def test_the_file_alone_encodes_from_a_bundle(bert_folder: Path, tmp_path: Path) -> None:
    write_tokenizer(read_tokenizer(find_preset(str(bert_folder)), 6), tmp_path / "bundle")
    script = tmp_path / "tokenizer.py"
    shutil.copy(Path(module.__file__).with_name("standalone.py"), script)
    command = [sys.executable, "-I", "-S", str(script), str(tmp_path / "bundle"), "Fine films"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["token_ids"] == [2, 8, 6, 7, 3, 0]


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_hugging_face_folder_is_read(tmp_path: Path, lowercase: bool) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    settings = json.dumps({"do_lower_case": lowercase})
    (tmp_path / "tokenizer_config.json").write_text(settings, encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS, *WORDS]), encoding="utf-8")
    tokenizer = load_tokenizer(find_preset(str(tmp_path)))
    assert tokenizer.encode("The").token_ids == [2, 5 if lowercase else 1, 3]


# Words that the checkpoint knows without accents, and words of other scripts and kinds.
ACCENTED = [
    "José García met Zoë Müller in Düsseldorf.",
    "jose\u0301 and ångström, ZÜRICH! naïve café",
    "fine\xa0film,\u202fthe\u3000film\u2028fine\u2029o\u2009o",
    "the 😀 film 漢字 fine",
    "ﬁne",
]


def bert_uncased(folder: Path, *more: str) -> Path:
    """A preset as KerasHub has it: lower case, and accents kept although none is known."""

    import keras_hub

    words = [
        "jose",
        "garcia",
        "met",
        "zoe",
        "muller",
        "in",
        "dusseldorf",
        "angstrom",
        "naive",
        "cafe",
        "zurich",
        "and",
    ]
    vocabulary = [*SPECIALS, *WORDS[:6], *words, "2", ",", ".", "!", "😀", "漢", "字", *more]
    vocabulary += ["o", "##o"]
    keras_hub.models.BertTokenizer(vocabulary, lowercase=True).save_to_preset(folder)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.mark.keras
def test_an_uncased_vocabulary_without_accents_is_given_none(tmp_path: Path) -> None:
    import tensorflow as tf

    preset = find_preset(str(bert_uncased(tmp_path)))
    ours = load_tokenizer(preset)
    assert ours.description["strip_accents"] is True
    theirs = fast(list(ours.vocabulary))
    for text in ACCENTED:
        ids = [token.id for token in ours.tokenize(text)]
        assert ids == theirs.encode(text).ids, text
        assert (ours.unknown_id in ids) == ("ﬁ" in text), text
    files = read_tokenizer(preset, 24)
    graph = GraphTokenizer(Text(files))
    data = tf.data.Dataset.from_tensors(tf.constant(ACCENTED)).map(graph.encode)
    packed = next(iter(data)).numpy()
    assert packed.tolist() == [tokenizer_of(files).encode(text).token_ids for text in ACCENTED]


@pytest.mark.keras
def test_accents_are_kept_where_asked_or_where_the_vocabulary_has_them(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    preset = find_preset(str(bert_uncased(tmp_path / "plain")))
    kept = tokenizer_of(read_tokenizer(preset, accents="keep"))
    assert [token.id for token in kept.tokenize("café")] == [kept.unknown_id]
    (tmp_path / "accents").mkdir()
    preset = find_preset(str(bert_uncased(tmp_path / "accents", "café")))
    own, stripped = (tokenizer_of(read_tokenizer(preset, accents=one)) for one in ("auto", "strip"))
    assert [token.id for token in own.tokenize("Café")] == [own.vocabulary["café"]]
    assert [token.id for token in stripped.tokenize("Café")] == [own.vocabulary["cafe"]]


@pytest.mark.keras
def test_pieces_that_a_vocabulary_lacks_are_counted_and_named(tmp_path: Path) -> None:
    preset = find_preset(str(bert_uncased(tmp_path)))
    texts = ["the film"] * 9 + ["the café"]
    known = text_of_preset(preset, texts)
    assert (known.decisions["accents"], known.warnings) == ("stripped", [])
    assert known.decisions["unknown_pieces"].startswith("0.0%")
    kept = text_of_preset(preset, texts, accents="keep")
    assert kept.decisions["accents"] == "kept"
    assert kept.decisions["unknown_pieces"].startswith("5.0%")
    (warning,) = kept.warnings
    assert "5.0% of the word pieces" in warning and "such as 'café'" in warning


@pytest.mark.parametrize(
    ("settings", "normalizer", "stripped"),
    [
        ({"do_lower_case": True, "strip_accents": None}, None, True),
        ({"do_lower_case": True, "strip_accents": False}, None, False),
        ({"do_lower_case": False, "strip_accents": True}, None, True),
        ({"do_lower_case": False}, None, False),
        ({}, {"type": "BertNormalizer", "lowercase": True, "strip_accents": None}, True),
        ({}, {"type": "BertNormalizer", "lowercase": True, "strip_accents": False}, False),
    ],
)
def test_a_checkpoint_says_what_becomes_of_accents(
    tmp_path: Path, settings: dict[str, Any], normalizer: Any, stripped: bool
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    document = json.dumps({"normalizer": normalizer})
    (tmp_path / "tokenizer.json").write_text(document, encoding="utf-8")
    vocabulary = [*SPECIALS, "the", "film"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = load_tokenizer(find_preset(str(tmp_path)))
    assert tokenizer.description["strip_accents"] is stripped
    assert [one.id for one in tokenizer.tokenize("film")] == [6]
    assert [one.id for one in tokenizer.tokenize("fílm")] == [6 if stripped else 1]


def folder_of(tmp_path: Path, kind: str, *files: str) -> str:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text(json.dumps({"class_name": kind, "config": {}}))
    (tmp_path / "assets" / "tokenizer").mkdir(parents=True)
    for name in files:
        (tmp_path / "assets" / "tokenizer" / name).write_bytes(b"the")
    return str(tmp_path)


@pytest.mark.keras
@pytest.mark.parametrize(
    ("kind", "files", "words"),
    [
        ("AlbertTokenizer", ["vocabulary.spm"], "cannot be used"),
        ("LlamaTokenizer", [], "LlamaTokenizer"),
        ("BertTokenizer", [], "vocabulary.txt"),
        ("BertTokenizer", ["vocabulary.txt"], r"\[CLS\]"),
        ("RobertaTokenizer", ["vocabulary.json", "merges.txt"], "cannot be used"),
    ],
)
def test_tokenizers_that_cannot_be_used_are_named(
    tmp_path: Path, kind: str, files: list[str], words: str
) -> None:
    preset = find_preset(folder_of(tmp_path, kind, *files))
    with pytest.raises(PresetError, match=words):
        load_tokenizer(preset)


def test_sentencepiece_presets_name_their_model_file(tmp_path: Path) -> None:
    files = read_tokenizer(find_preset(folder_of(tmp_path, "AlbertTokenizer", "vocabulary.spm")))
    assert (files.description["kind"], files.files) == ("sentencepiece", {"vocabulary.spm": b"the"})


def test_unusable_descriptions_and_lengths_are_refused(tmp_path: Path) -> None:
    write_tokenizer(TokenizerFiles({"model": {}}, {}), tmp_path)
    with pytest.raises(ValueError, match="kfine-tokenizer-2"):
        load(tmp_path)
    with pytest.raises(ValueError, match="cannot hold"):
        word_piece([*SPECIALS, *WORDS]).encode("the", sequence_length=1)
