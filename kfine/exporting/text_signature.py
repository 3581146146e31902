"""Strings into a SavedModel: KerasHub's tokenizer in front of the model, in one graph."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.errors import MissingPackage
from kfine.exporting.medium import Signature

if TYPE_CHECKING:
    import keras

    from kfine.data.tokenizers import TokenizerFiles
    from kfine.models.text_preprocessing import TextPreprocessing

SIGNATURE = "serve_text"
PACKAGE = "tensorflow_text"


def text_signature(
    inference: keras.Model, preprocessing: TextPreprocessing
) -> dict[str, Signature]:
    """The signature `serve_text`: strings `(batch,)` to probabilities, each string one text.

    Args:
        inference: What `text_inference_model` returned.
        preprocessing: Its tokenizer and length.

    Returns:
        Name -> signature; empty where `tensorflow-text` is not installed.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        return {}
    import tensorflow as tf

    encode = graph_tokenizer(preprocessing)
    (output,) = inference.output_names

    def serve(text: Any) -> dict[str, Any]:
        return {output: inference(encode(text), training=False)}

    inputs = [tf.TensorSpec((None,), tf.string, name="text")]
    return {SIGNATURE: Signature(serve, inputs, requires=PACKAGE)}


def graph_tokenizer(preprocessing: TextPreprocessing) -> Any:
    """KerasHub's tokenizer and packing as a function for a TensorFlow graph.

    Returns:
        From strings `(batch,)` to int32 ids `(batch, sequence length)`.
    """
    import keras_hub

    files = preprocessing.files
    # That of the tokenizer: a SentencePiece model's own files do not name the special tokens.
    description = preprocessing.tokenizer.description
    make = {"wordpiece": _word_piece, "bpe": _byte_pair, "sentencepiece": _sentence_piece}
    kind = getattr(keras_hub.tokenizers, description["class"])
    tokenizer = make[description["kind"]](kind, files)
    start, separator, end = (
        [tokenizer.token_to_id(token) for token in description[name]]
        for name in ("start", "separator", "end")
    )
    packer = keras_hub.layers.MultiSegmentPacker(
        sequence_length=description["sequence_length"],
        start_value=start,
        end_value=end,
        sep_value=separator,
        pad_value=tokenizer.token_to_id(description["padding"]),
        truncate=description["truncate"],
    )
    return lambda text: packer(tokenizer(text))[0]


def _word_piece(kind: Any, files: TokenizerFiles) -> Any:
    description = files.description
    lines = files.files[description["vocabulary"]].decode().removesuffix("\n").split("\n")
    return kind(
        vocabulary=[line.rstrip() for line in lines],
        lowercase=description["lowercase"],
        strip_accents=description["strip_accents"],
        split_on_cjk=description["split_cjk"],
        suffix_indicator=description["suffix_indicator"],
        oov_token=description["unknown_token"],
        special_tokens_in_strings=bool(description["special_tokens_in_text"]),
    )


def _byte_pair(kind: Any, files: TokenizerFiles) -> Any:
    description = files.description
    merges = files.files[description["merges"]].decode().split("\n")
    return kind(
        vocabulary=json.loads(files.files[description["vocabulary"]]),
        merges=[line for line in merges if line and "#version:" not in line],
        add_prefix_space=description["add_prefix_space"],
        unsplittable_tokens=description["special_tokens_in_text"],
    )


def _sentence_piece(kind: Any, files: TokenizerFiles) -> Any:
    return kind(proto=files.files[files.description["model"]])


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
