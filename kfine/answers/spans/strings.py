"""Answers to questions that are strings, in one graph with the tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from kfine.inputs.text.graph_tokenizer import GraphTokenizer
    from kfine.inputs.text.signature import Serve


def answers_of_strings(
    inference: keras.Model,
    tokenizer: GraphTokenizer,
    *,
    stride: int,
    longest_question: int,
    longest_answer: int,
) -> Serve:
    """From `question` and `context`, each `(batch,)`, to the best span over all windows.

    Gives `answer`, its `start` and `end` in characters of the context, its `score`, and
    `null_score`: a model that was trained on questions without an answer says that there is none
    where this is the higher one. All `(batch,)`.
    """
    import tensorflow as tf

    pieces_of_start, pieces_of_separator, _ = tokenizer.marks
    length = tokenizer.length
    (output,) = inference.output_names

    def answer(question: Any, context: Any) -> dict[str, Any]:
        asked = tokenizer.pieces(question[None]).ids[0][:longest_question]
        pieces = tokenizer.pieces(context[None])
        ids, starts, ends = pieces.ids[0], pieces.starts[0], pieces.ends[0]
        total, room = tf.size(ids), length - sum(tokenizer.marks) - tf.size(asked)
        step = tf.minimum(room, stride)
        firsts = tf.range(-(-tf.maximum(total - room, 0) // step) + 1) * step
        counts = tf.minimum(room, total - firsts)
        windows = tf.gather(ids, tf.ragged.range(firsts, firsts + counts))
        questions = tf.RaggedTensor.from_tensor(tf.tile(asked[None], (tf.size(firsts), 1)))
        scores = inference(tokenizer.pack(questions, windows), training=False)[output]

        column = pieces_of_start + tf.size(asked) + pieces_of_separator
        place = tf.range(length)[None] - column
        inside = (place >= 0) & (place < counts[:, None])
        head, tail = (tf.where(inside, scores[..., one], -float("inf")) for one in (0, 1))
        # Of each length: the sums of a first and a last piece, the shorter spans first.
        sums = tf.stack(
            [
                head + tf.pad(tail[:, more:], ((0, 0), (0, more)), constant_values=-float("inf"))
                for more in range(min(longest_answer, length))
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
