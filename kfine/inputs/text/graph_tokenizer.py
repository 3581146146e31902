"""KerasHub's tokenizers in a TensorFlow graph, with the place of each piece in its text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from kfine.inputs.text.text import Text
    from kfine.inputs.text.tokenizers import TokenizerFiles

# As KerasHub's WordPiece tokenizer cuts words, in the syntax of RE2, and at every space of
# Unicode, where KerasHub and RE2 know those of ASCII only:
# https://github.com/keras-team/keras-hub/blob/master/keras_hub/src/tokenizers/word_piece_tokenizer.py
_SPACES = r"\p{Z}|\p{Cc}|\p{Cf}"
_MARKS = r"[!-/:-@\[-`{-~]|\p{P}"
_CJK = (
    r"[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}"
    r"\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]"
)


class Pieces(NamedTuple):
    """The pieces of texts; each ragged int32 `(batch, pieces)`.

    Attributes:
        ids: Without special tokens.
        starts: First character of each in its text.
        ends: The character behind its last.
    """

    ids: Any
    starts: Any
    ends: Any


class GraphTokenizer:
    """A tokenizer in a graph: strings to pieces, and pieces to rows for a model.

    The places are those of the tokenizer in plain Python, but for the pieces of a word whose
    normalisation changes its number of characters: each of them stands for the whole word.

    Args:
        text: The tokenizer and its length.
    """

    def __init__(self, text: Text) -> None:
        import keras_hub

        files = text.tokenizer_files
        # That of the tokenizer: a SentencePiece model's own files do not name the special tokens.
        self.description = text.tokenizer.description
        make = {"wordpiece": _word_piece, "bpe": _byte_pair, "sentencepiece": _sentence_piece}
        kind = getattr(keras_hub.tokenizers, self.description["class"])
        self.tokenizer, self._pieces = make[self.description["kind"]](kind, files)
        start, separator, end = (
            [self.tokenizer.token_to_id(token) for token in self.description[name]]
            for name in ("start", "separator", "end")
        )
        self.length = int(self.description["sequence_length"])
        self.marks = len(start), len(separator), len(end)
        self._packer = keras_hub.layers.MultiSegmentPacker(
            sequence_length=self.length,
            start_value=start,
            end_value=end,
            sep_value=separator,
            pad_value=self.tokenizer.token_to_id(self.description["padding"]),
            truncate=self.description["truncate"],
        )

    def pieces(self, text: Any) -> Pieces:
        """Strings `(batch,)` to their pieces."""
        return self._pieces(text)

    def pack(self, *segments: Any) -> Any:
        """Ragged ids `(rows, pieces)` of one text or two as int32 `(rows, sequence length)`."""
        return self._packer(segments if len(segments) > 1 else segments[0])[0]

    def encode(self, text: Any) -> Any:
        """Strings `(batch,)` to int32 ids `(batch, sequence length)`."""
        return self.pack(self.tokenizer(plain_spaces(self.description, text)))


def plain_spaces(description: Mapping[str, Any], text: Any) -> Any:
    """Strings with the spaces of Unicode as plain ones, for KerasHub's WordPiece tokenizer.

    Args:
        description: Of the tokenizer; byte pairs and SentencePiece models have pieces for spaces.
        text: Strings `(batch,)`.
    """
    import tensorflow as tf

    is_words = description["kind"] == "wordpiece"
    return tf.strings.regex_replace(text, r"\p{Z}", " ") if is_words else text


def rowwise(rows: Any, values: Any, side: str) -> Any:
    """`tf.searchsorted` in the row of the same number.

    Args:
        rows: Ragged `(batch, sorted)`, 0 or more.
        values: Ragged `(batch, searched)`, 0 or more.
        side: "left" counts what is smaller than a value, "right" what is as small or smaller.

    Returns:
        How many, ragged int32 as `values`.
    """
    import tensorflow as tf

    # One long sorted list, in which each row lies above the one before.
    lines, sought = (tf.cast(one.flat_values, tf.int64) for one in (rows, values))
    step = tf.reduce_max(tf.concat([lines, sought, [0]], 0)) + 1
    lines += rows.value_rowids() * step
    sought += values.value_rowids() * step
    found = tf.searchsorted(lines, sought, side, tf.int64)
    before = tf.gather(rows.row_splits, values.value_rowids())
    return values.with_flat_values(tf.cast(found - before, tf.int32))


def characters(text: Any, begins: Any, ends: Any) -> tuple[Any, Any]:
    """Spans in bytes, ragged `(batch, spans)`, as spans of the characters that they touch."""
    import tensorflow as tf

    _, places = tf.strings.unicode_decode_with_offsets(text, "UTF-8")
    places = tf.concat([tf.cast(places, tf.int32), tf.strings.length(text)[:, None]], axis=1)
    return rowwise(places, begins, "right") - 1, rowwise(places, ends, "left")


def _word_piece(kind: Any, files: TokenizerFiles) -> tuple[Any, Callable[[Any], Pieces]]:
    import tensorflow_text as tf_text

    description = files.description
    lines = files.files[description["vocabulary"]].decode().removesuffix("\n").split("\n")
    vocabulary = [line.rstrip() for line in lines]
    suffix = description["suffix_indicator"]
    tokenizer = kind(
        vocabulary=vocabulary,
        lowercase=description["lowercase"],
        strip_accents=description["strip_accents"],
        split_on_cjk=description["split_cjk"],
        suffix_indicator=suffix,
        oov_token=description["unknown_token"],
        special_tokens_in_strings=bool(description["special_tokens_in_text"]),
    )
    sizes = [len(token.removeprefix(suffix)) for token in vocabulary]
    kept = [_MARKS, *([_CJK] if description["split_cjk"] else [])]
    kept = [*map(_quoted, description["special_tokens_in_text"]), *kept]
    keep, cut = "|".join(kept), "|".join([*kept, _SPACES])

    def pieces(text: Any) -> Pieces:
        words, begins, ends = tf_text.regex_split_with_offsets(text, cut, keep)
        begins, ends = characters(text, begins, ends)
        ids = tokenizer(words.flat_values)
        found = _within(ids, sizes, begins.flat_values, ends.flat_values)
        parts = (ids, *(ids.with_flat_values(one) for one in found))
        return Pieces(*(words.with_flat_values(one).merge_dims(1, 2) for one in parts))

    return tokenizer, pieces


def _within(ids: Any, sizes: Sequence[int], begins: Any, ends: Any) -> tuple[Any, Any]:
    """Begins and ends of the pieces of words, flat, from the size in characters of each id."""
    import tensorflow as tf

    lengths = ids.with_flat_values(tf.gather(tf.constant(sizes), ids.flat_values))
    words = ids.value_rowids()
    exact = tf.gather(tf.reduce_sum(lengths, axis=1) == ends - begins, words)
    begins, ends = tf.gather(begins, words), tf.gather(ends, words)
    own = begins + _before(lengths)
    return tf.where(exact, own, begins), tf.where(exact, own + lengths.flat_values, ends)


def _before(lengths: Any) -> Any:
    """The sum of what stands before each value in its row, flat; `lengths` is ragged."""
    import tensorflow as tf

    rows = tf.cumsum(tf.reduce_sum(lengths, axis=1), exclusive=True)
    return tf.cumsum(lengths.flat_values, exclusive=True) - tf.gather(rows, lengths.value_rowids())


def _quoted(token: str) -> str:
    return "".join(char if char.isalnum() else f"\\{char}" for char in token)


def _byte_pair(kind: Any, files: TokenizerFiles) -> tuple[Any, Callable[[Any], Pieces]]:
    import tensorflow as tf

    description = files.description
    merges = files.files[description["merges"]].decode().split("\n")
    vocabulary = json.loads(files.files[description["vocabulary"]])
    specials = description["special_tokens_in_text"]
    tokenizer = kind(
        vocabulary=vocabulary,
        merges=[line for line in merges if line and "#version:" not in line],
        add_prefix_space=description["add_prefix_space"],
        unsplittable_tokens=specials,
    )
    shift = int(description["add_prefix_space"])
    sizes, spaces = ([0] * (max(vocabulary.values()) + 1) for _ in "ab")
    for token, number in vocabulary.items():
        # A character of a piece stands for a byte.
        sizes[number] = len(token.encode()) if token in specials else len(token)
        # The space in front of a word belongs to its piece, not to the place that it names.
        spaces[number] = int(token.startswith("\u0120") and len(token) > 1)

    def pieces(text: Any) -> Pieces:
        ids = tokenizer(text)
        lengths, led = (tf.gather(tf.constant(one), ids.flat_values) for one in (sizes, spaces))
        before = _before(ids.with_flat_values(lengths)) - shift
        found = tf.maximum(before + led, 0), before + lengths
        return Pieces(ids, *characters(text, *map(ids.with_flat_values, found)))

    return tokenizer, pieces


def _sentence_piece(kind: Any, files: TokenizerFiles) -> tuple[Any, Callable[[Any], Pieces]]:
    import tensorflow_text as tf_text

    model = files.files[files.description["model"]]
    tokenizer = kind(proto=model)
    own = tf_text.SentencepieceTokenizer(model=model)

    def pieces(text: Any) -> Pieces:
        _, begins, ends = own.tokenize_with_offsets(text)
        return Pieces(tokenizer(text), *characters(text, begins, ends))

    return tokenizer, pieces
