"""Strings into a SavedModel: KerasHub's tokenizer in front of the model, in one graph."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.errors import MissingPackage
from kfine.exporting.medium import Signature

if TYPE_CHECKING:
    import keras

    from kfine.exporting.graph_tokenizer import GraphTokenizer
    from kfine.models.text_kinds import WindowPreprocessing
    from kfine.models.text_preprocessing import TextPreprocessing

SIGNATURE = "serve_text"
PACKAGE = "tensorflow_text"
# `split_words` in the syntax of RE2, whose classes know ASCII alone.
_SPACES = r"\s\p{Z}\x{85}\x{1C}-\x{1F}"
_LETTERS = r"\p{L}\p{N}_"
_WORD = rf"https?://[^{_SPACES}]+|[@#]?[{_LETTERS}]+|[^{_LETTERS}{_SPACES}]"


def text_signature(
    inference: keras.Model, preprocessing: TextPreprocessing
) -> dict[str, Signature]:
    """The signature `serve_text`, which takes strings.

    For classes: `text` `(batch,)`, each string one text, to their probabilities. For tags and
    spans see `_tags` and `_answers`.

    Args:
        inference: What `text_inference_model` returned.
        preprocessing: Its tokenizer, length and kind.

    Returns:
        Name -> signature; empty where `tensorflow-text` is not installed.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        return {}
    import tensorflow as tf

    from kfine.exporting.graph_tokenizer import GraphTokenizer

    make, names = _KINDS[preprocessing.kind]
    serve = make(inference, GraphTokenizer(preprocessing), preprocessing)
    inputs = [tf.TensorSpec((None,), tf.string, name=name) for name in names]
    return {SIGNATURE: Signature(serve, inputs, requires=PACKAGE)}


def _classes(
    inference: keras.Model, tokenizer: GraphTokenizer, preprocessing: Any
) -> Callable[..., dict[str, Any]]:
    (output,) = inference.output_names

    def serve(text: Any) -> dict[str, Any]:
        return {output: inference(tokenizer.encode(text), training=False)}

    return serve


def _tags(
    inference: keras.Model, tokenizer: GraphTokenizer, preprocessing: Any
) -> Callable[..., dict[str, Any]]:
    """From `text` `(batch,)` to the words of each text and the probabilities of their tags.

    Gives `words` `(batch, words)`, padded with empty strings, their `start` and `end` in
    characters, and `probabilities` `(batch, words, tags)` of each word's first piece; all 0 for a
    word that does not fit into the model's length, or has no piece.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    from kfine.exporting.graph_tokenizer import characters, rowwise

    before, _, after = tokenizer.marks
    room = tokenizer.length - before - after

    def serve(text: Any) -> dict[str, Any]:
        pieces = tokenizer.pieces(text)
        outputs = inference(tokenizer.pack(pieces.ids), training=False)
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


def _answers(
    inference: keras.Model, tokenizer: GraphTokenizer, preprocessing: WindowPreprocessing
) -> Callable[..., dict[str, Any]]:
    """From `question` and `context`, each `(batch,)`, to the best span over all windows.

    Gives `answer`, its `start` and `end` in characters of the context, its `score`, and
    `null_score`: a model that was trained on questions without an answer says that there is none
    where this is the higher one. All `(batch,)`.
    """
    import tensorflow as tf

    pieces_of_start, pieces_of_separator, _ = tokenizer.marks
    length, known = tokenizer.length, preprocessing.program_values()

    def answer(question: Any, context: Any) -> dict[str, Any]:
        asked = tokenizer.pieces(question[None]).ids[0][: known["longest_question"]]
        pieces = tokenizer.pieces(context[None])
        ids, starts, ends = pieces.ids[0], pieces.starts[0], pieces.ends[0]
        total, room = tf.size(ids), length - sum(tokenizer.marks) - tf.size(asked)
        step = tf.minimum(room, preprocessing.stride)
        firsts = tf.range(-(-tf.maximum(total - room, 0) // step) + 1) * step
        counts = tf.minimum(room, total - firsts)
        windows = tf.gather(ids, tf.ragged.range(firsts, firsts + counts))
        questions = tf.RaggedTensor.from_tensor(tf.tile(asked[None], (tf.size(firsts), 1)))
        scores = inference(tokenizer.pack(questions, windows), training=False)

        column = pieces_of_start + tf.size(asked) + pieces_of_separator
        place = tf.range(length)[None] - column
        inside = (place >= 0) & (place < counts[:, None])
        head, tail = (tf.where(inside, scores[..., one], -float("inf")) for one in (0, 1))
        # Of each length: the sums of a first and a last piece, the shorter spans first.
        sums = tf.stack(
            [
                head + tf.pad(tail[:, more:], ((0, 0), (0, more)), constant_values=-float("inf"))
                for more in range(min(known["longest_answer"], length))
            ],
            axis=1,
        )
        best = tf.reduce_max(sums, axis=(1, 2))
        window = tf.argmax(best)
        place = tf.argmax(tf.reshape(sums[window], (-1,)), output_type=tf.int32)
        more, begin = place // length, place % length
        # Without any piece all scores are minus infinity, and the span is the 0 to 0 put behind.
        first = tf.maximum(firsts[window] + begin - column, 0)
        start, end = (
            tf.concat([places, [0]], 0)[at]
            for places, at in ((starts, first), (ends, first + more))
        )
        return {
            "answer": tf.strings.substr(context, start, end - start, unit="UTF8_CHAR"),
            "start": start,
            "end": end,
            "score": best[window],
            "null_score": tf.reduce_min(scores[:, 0, 0] + scores[:, 0, 1]),
        }

    def serve(question: Any, context: Any) -> dict[str, Any]:
        kinds = {"answer": tf.string, "start": tf.int32, "end": tf.int32}
        kinds |= {"score": tf.float32, "null_score": tf.float32}
        found: dict[str, Any] = tf.map_fn(
            lambda both: answer(*both),
            (question, context),
            fn_output_signature={name: tf.TensorSpec((), kind) for name, kind in kinds.items()},
        )
        return found

    return serve


# Kind of a preprocessing -> what makes its signature, and the strings that this takes.
_KINDS: dict[str, tuple[Callable[..., Callable[..., dict[str, Any]]], tuple[str, ...]]] = {
    "texts": (_classes, ("text",)),
    "tokens": (_tags, ("text",)),
    "windows": (_answers, ("question", "context")),
}


def require_operations(info: Mapping[str, Any], path: Path) -> None:
    """Register the operations that a SavedModel with `serve_text` needs.

    TensorFlow loads none of its signatures without them.

    Args:
        info: The SavedModel's facts.
        path: The SavedModel.

    Raises:
        MissingPackage: `tensorflow-text` is not installed.
    """
    if SIGNATURE not in info.get("signatures", ()):
        return
    try:
        import tensorflow_text  # noqa: F401
    except ImportError:
        raise MissingPackage(
            f"{path} takes strings too, for which TensorFlow needs the package tensorflow-text: "
            "pip install tensorflow-text."
        ) from None
