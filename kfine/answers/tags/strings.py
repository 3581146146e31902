"""Tags of the words of strings, in one graph with the tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from kfine.inputs.text.graph_tokenizer import GraphTokenizer
    from kfine.inputs.text.signature import Serve

# `split_words` in the syntax of RE2, whose classes know ASCII alone.
_SPACES = r"\s\p{Z}\x{85}\x{1C}-\x{1F}"
_LETTERS = r"\p{L}\p{N}_"
_WORD = rf"https?://[^{_SPACES}]+|[@#]?[{_LETTERS}]+|[^{_LETTERS}{_SPACES}]"


def tags_of_strings(inference: keras.Model, tokenizer: GraphTokenizer, stride: int | None) -> Serve:
    """From `text` `(batch,)` to the words of each text and the probabilities of their tags.

    Gives `words` `(batch, words)`, padded with empty strings, their `start` and `end` in
    characters, and `probabilities` `(batch, words, tags)` of each word's first piece; all 0 for a
    word that has no piece, or that does not fit into the model's length where texts are cut.

    Args:
        inference: Of the exported file.
        tokenizer: Of the same length.
        stride: As in `encode_tokens`, whose windows these are.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    from kfine.inputs.text.graph_tokenizer import characters, rowwise

    (output,) = inference.output_names
    before = tokenizer.marks[0]

    def serve(text: Any) -> dict[str, Any]:
        pieces = tokenizer.pieces(text)
        windows = tokenizer.windows(pieces.ids, stride)
        outputs = inference(tokenizer.pack(windows.ids), training=False)[output]
        words, begins, ends = tf_text.regex_split_with_offsets(text, rf"{_WORD}|[{_SPACES}]", _WORD)
        begins, ends = characters(text, begins, ends)

        # A piece is of the first word that it shares a character with.
        owners = tf.cast(rowwise(ends, pieces.starts, "right").flat_values, tf.int64)
        rows = pieces.starts.value_rowids()
        count, number = tf.size(words.flat_values), tf.gather(words.row_splits, rows) + owners
        inside = owners < tf.gather(words.row_lengths(), rows)
        number = tf.where(inside, number, 0)
        place = tf.ragged.range(pieces.ids.row_lengths()).flat_values
        starts = tf.gather(tf.concat([begins.flat_values, [0]], 0), number)
        is_of = inside & (starts < pieces.ends.flat_values)
        if stride is None:
            is_of &= place < windows.room

        first = tf.math.unsorted_segment_min(
            tf.boolean_mask(place, is_of), tf.boolean_mask(number, is_of), count
        )
        seen = first < first.dtype.max
        first = tf.cast(tf.where(seen, first, 0), tf.int64)
        text_of = words.value_rowids()
        # Of the pieces that two windows share the first one's are those before their middle.
        window = tf.maximum((first - (windows.room - windows.step) // 2) // windows.step, 0)
        window = tf.minimum(window, tf.gather(windows.counts, text_of) - 1)
        row = tf.gather(windows.row_splits, text_of) + window
        column = before + first - window * windows.step
        found = tf.gather_nd(outputs, tf.stack([row, column], axis=1))
        found = tf.where(seen[:, None], found, 0.0)
        return {
            "words": words.to_tensor(),
            "start": begins.to_tensor(),
            "end": ends.to_tensor(),
            "probabilities": words.with_flat_values(found).to_tensor(),
        }

    return serve
