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


def tags_of_strings(inference: keras.Model, tokenizer: GraphTokenizer) -> Serve:
    """From `text` `(batch,)` to the words of each text and the probabilities of their tags.

    Gives `words` `(batch, words)`, padded with empty strings, their `start` and `end` in
    characters, and `probabilities` `(batch, words, tags)` of each word's first piece; all 0 for a
    word that does not fit into the model's length, or has no piece.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    from kfine.inputs.text.graph_tokenizer import characters, rowwise

    (output,) = inference.output_names
    before, _, after = tokenizer.marks
    room = tokenizer.length - before - after

    def serve(text: Any) -> dict[str, Any]:
        pieces = tokenizer.pieces(text)
        outputs = inference(tokenizer.pack(pieces.ids), training=False)[output]
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
        shared = inside & (starts < pieces.ends.flat_values) & (place < room)

        first = tf.math.unsorted_segment_min(
            tf.boolean_mask(place, shared), tf.boolean_mask(number, shared), count
        )
        seen = first < room
        column = before + tf.cast(tf.where(seen, first, 0), tf.int64)
        found = tf.gather_nd(outputs, tf.stack([words.value_rowids(), column], axis=1))
        found = tf.where(seen[:, None], found, 0.0)
        return {
            "words": words.to_tensor(),
            "start": begins.to_tensor(),
            "end": ends.to_tensor(),
            "probabilities": words.with_flat_values(found).to_tensor(),
        }

    return serve
