"""Strings into a SavedModel: the tokenizer in front of the model, in one graph."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kfine.inputs import Signature

if TYPE_CHECKING:
    import keras

    from kfine.inputs.text.graph_tokenizer import GraphTokenizer
    from kfine.inputs.text.text import Text

SIGNATURE = "serve_text"
PACKAGE = "tensorflow_text"
# From strings, one tensor for each name, to a dictionary of outputs.
Serve = Callable[..., dict[str, Any]]


def text_signature(inference: keras.Model, text: Text, answer: Any) -> dict[str, Signature]:
    """The signature `serve_text`, which takes strings.

    `text` `(batch,)`, each string one text, to the model's outputs; or what the answer makes of
    strings itself (`AnswerOnDevice.strings`).

    Args:
        inference: Token ids in, see `kfine.exporting.inference_model`.
        text: Tokenizer, length and stride.
        answer: What the model answers.

    Returns:
        Name -> signature; empty where `tensorflow-text` is not installed.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        return {}
    import tensorflow as tf

    from kfine.inputs.text.graph_tokenizer import GraphTokenizer

    tokenizer = GraphTokenizer(text)
    names, serve = answer.device().strings(inference, tokenizer, text) or (
        ("text",),
        _outputs_of(inference, tokenizer, text.stride),
    )
    inputs = [tf.TensorSpec((None,), tf.string, name=name) for name in names]
    return {SIGNATURE: Signature(serve, inputs, requires=PACKAGE)}


def _outputs_of(inference: keras.Model, tokenizer: GraphTokenizer, stride: int | None) -> Serve:
    import tensorflow as tf

    names = inference.output_names

    def serve(text: Any) -> dict[str, Any]:
        windows = tokenizer.windows(tokenizer.pieces(text).ids, stride)
        found = inference(tokenizer.pack(windows.ids), training=False)
        found = found if isinstance(found, dict) else {names[0]: found}
        # Several windows of a text are averaged.
        return {name: tf.math.segment_mean(one, windows.owner) for name, one in found.items()}

    return serve
