"""Tokenizers in a TensorFlow graph, with the place of each piece in its text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from kfine.inputs.text.text import Text
    from kfine.inputs.text.tokenizers import TokenizerFiles


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


class Windows(NamedTuple):
    """The rows that texts are read in.

    Attributes:
        ids: Ragged `(rows, pieces)`, without special tokens.
        owner: `(rows,)`, the text of each.
        row_splits: `(batch + 1,)`, the first row of each text.
        counts: `(batch,)`, how many rows each has.
        room: Pieces of a row.
        step: Pieces from the beginning of one window to that of the next.
    """

    ids: Any
    owner: Any
    row_splits: Any
    counts: Any
    room: int
    step: int


class GraphTokenizer:
    """A tokenizer in a graph: strings to pieces, and pieces to rows for a model.

    Ids and places are those of the tokenizer in plain Python; byte pairs and SentencePiece models
    are KerasHub's.

    Args:
        text: The tokenizer and its length.
    """

    def __init__(self, text: Text) -> None:
        import keras_hub

        files = text.tokenizer_files
        # That of the tokenizer: a SentencePiece model's own files do not name the special tokens.
        self.description = text.tokenizer.description
        make = {"wordpiece": _word_piece, "bpe": _byte_pair, "sentencepiece": _sentence_piece}
        self._pieces, number = make[self.description["kind"]](self.description, files)
        start, separator, end = (
            [number(token) for token in self.description[name]]
            for name in ("start", "separator", "end")
        )
        self.length = int(self.description["sequence_length"])
        self.marks = len(start), len(separator), len(end)
        self._packer = keras_hub.layers.MultiSegmentPacker(
            sequence_length=self.length,
            start_value=start,
            end_value=end,
            sep_value=separator,
            pad_value=number(self.description["padding"]),
            truncate=self.description["truncate"],
        )

    def pieces(self, text: Any) -> Pieces:
        """Strings `(batch,)` to their pieces."""
        return self._pieces(text)

    def pack(self, *segments: Any) -> Any:
        """Ragged ids `(rows, pieces)` of one text or two as int32 `(rows, sequence length)`."""
        return self._packer(segments if len(segments) > 1 else segments[0])[0]

    def windows(self, ids: Any, stride: int | None) -> Windows:
        """Pieces of single texts, ragged `(batch, pieces)`, in rows.

        Args:
            ids: Of `pieces`.
            stride: As in `kfine.inputs.text.words.encode_tokens`; `None` leaves what is too long.
        """
        import tensorflow as tf

        before, _, after = self.marks
        room = self.length - before - after
        step = room if stride is None else min(room, stride)
        totals = ids.row_lengths()
        more = tf.maximum(totals - room, 0) + step - 1
        counts = tf.ones_like(totals) if stride is None else 1 + more // step
        firsts = tf.ragged.range(counts) * step
        owner = firsts.value_rowids()
        lengths = tf.minimum(tf.gather(totals, owner) - firsts.flat_values, room)
        begins = tf.gather(ids.row_splits, owner) + firsts.flat_values
        shown = tf.gather(ids.flat_values, tf.ragged.range(begins, begins + lengths))
        return Windows(shown, owner, firsts.row_splits, counts, room, step)

    def encode(self, text: Any) -> Any:
        """Strings `(batch,)` to int32 ids `(batch, sequence length)`."""
        return self.pack(self.pieces(text).ids)


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


def _word_piece(description: Mapping[str, Any], files: TokenizerFiles) -> tuple[Any, Any]:
    from kfine.inputs.text.graph_words import GraphWords

    words = GraphWords(files)
    return words.pieces, words.vocabulary.__getitem__


def before(lengths: Any) -> Any:
    """The sum of what stands before each value in its row, flat; `lengths` is ragged."""
    import tensorflow as tf

    rows = tf.cumsum(tf.reduce_sum(lengths, axis=1), exclusive=True)
    return tf.cumsum(lengths.flat_values, exclusive=True) - tf.gather(rows, lengths.value_rowids())


def _byte_pair(description: Mapping[str, Any], files: TokenizerFiles) -> tuple[Any, Any]:
    import keras_hub
    import tensorflow as tf

    merges = files.files[description["merges"]].decode().split("\n")
    vocabulary = json.loads(files.files[description["vocabulary"]])
    specials = description["special_tokens_in_text"]
    tokenizer = getattr(keras_hub.tokenizers, description["class"])(
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
        starts = before(ids.with_flat_values(lengths)) - shift
        found = tf.maximum(starts + led, 0), starts + lengths
        return Pieces(ids, *characters(text, *map(ids.with_flat_values, found)))

    return pieces, tokenizer.token_to_id


def _sentence_piece(description: Mapping[str, Any], files: TokenizerFiles) -> tuple[Any, Any]:
    import keras_hub
    import tensorflow_text as tf_text

    model = files.files[files.description["model"]]
    tokenizer = getattr(keras_hub.tokenizers, description["class"])(proto=model)
    own = tf_text.SentencepieceTokenizer(model=model)

    def pieces(text: Any) -> Pieces:
        _, begins, ends = own.tokenize_with_offsets(text)
        return Pieces(tokenizer(text), *characters(text, begins, ends))

    return pieces, tokenizer.token_to_id
