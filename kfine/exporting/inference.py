"""The model as a phone sees it: raw RGB or token ids in, probabilities or scores out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from kfine.errors import ExportError
from kfine.exporting.outputs import CLASSES, Output, output_of
from kfine.models.preprocessing import Preprocessing

if TYPE_CHECKING:
    from kfine.models.text_preprocessing import TextPreprocessing


class RawImages(keras.layers.Layer):
    """uint8 RGB `(batch, height, width, 3)` to what the backbone expects, in LiteRT builtins.

    Args:
        preprocessing: Size in pixels, scale and offset.
        resize: Whether images of any size are resized here; else they must have that size.
    """

    def __init__(self, preprocessing: Preprocessing, resize: bool) -> None:
        super().__init__(name="raw_images", dtype="float32")
        self.preprocessing = preprocessing
        self.resize = resize

    def call(self, images: Any) -> Any:
        """Resize, round and normalise."""
        values = tf.cast(images, tf.float32)
        if self.resize:
            # Training reads resized images as whole numbers. Unrounded ones turned one
            # prediction in a hundred, which would be counted against the export.
            values = tf.round(self.preprocessing.resize(values))
        return self._normalize(values)

    def _normalize(self, values: Any) -> Any:
        # `Preprocessing.normalize` as a 1x1 convolution: a multiply and an add are quantized
        # one after the other, and the product's range costs int8 a third of its levels.
        # Not a depthwise one, whose float kernel is ten times slower.
        scale = np.broadcast_to(np.asarray(self.preprocessing.scale, np.float32), 3)
        offset = np.broadcast_to(np.asarray(self.preprocessing.offset, np.float32), 3)
        kernel = tf.constant(np.diag(scale)[None, None])
        return tf.nn.bias_add(tf.nn.conv2d(values, kernel, 1, "VALID"), tf.constant(offset))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`(batch, height, width, 3)` of the backbone's input."""
        return (input_shape[0], *self.preprocessing.image_size, 3)


class RawTokens(keras.layers.Layer):
    """int32 ids `(batch, length)` to what an encoder takes, in LiteRT builtins.

    The padding mask is 1 where an id is not padding. Segment ids are 1 behind the first
    separator as far as the second text reaches, and 0 everywhere else: what the tokenizer's
    `encode_pair` gives, unless the text itself holds a separator.

    Args:
        inputs: Of `token_ids`, `padding_mask` and `segment_ids` those that the encoder takes.
        padding: Id of the padding.
        separator: Id of the token that ends each text.
    """

    def __init__(self, inputs: tuple[str, ...], padding: int, separator: int) -> None:
        super().__init__(name="raw_tokens", dtype="float32")
        self.inputs = inputs
        self.padding = padding
        self.separator = separator

    def call(self, token_ids: Any) -> dict[str, Any]:
        """Work out mask and segments."""
        used = tf.cast(tf.not_equal(token_ids, self.padding), tf.int32)
        ends = tf.cast(tf.equal(token_ids, self.separator), tf.int32)
        behind = tf.minimum(tf.cumsum(ends, axis=1, exclusive=True), 1)
        found = {"token_ids": token_ids, "padding_mask": used, "segment_ids": behind * used}
        return {name: found[name] for name in self.inputs}

    def compute_output_shape(self, input_shape: Any) -> dict[str, Any]:
        """`(batch, length)` of each of the encoder's inputs."""
        return dict.fromkeys(self.inputs, input_shape)

    def compute_output_spec(self, token_ids: Any) -> dict[str, Any]:
        """int32, whatever the layer's own type."""
        return {name: keras.KerasTensor(token_ids.shape, "int32") for name in self.inputs}


def inference_model(
    model: keras.Model, preprocessing: Preprocessing, *, input_kind: str = "any"
) -> keras.Model:
    """Put the preprocessing before a classifier and a softmax behind it.

    The weights are shared with `model`, or copied when it computes in another type than
    float32: a mixed-precision graph needs Flex ops on a phone.

    Args:
        model: Normalised float32 `(batch, height, width, 3)` to logits `(batch, classes)`.
        preprocessing: What lies between raw images and the model's input.
        input_kind: "any" resizes in the graph; "fixed" takes images of
            `preprocessing.image_size` only.

    Returns:
        uint8 RGB `(batch, height, width, 3)` to float32 probabilities `(batch, classes)`.

    Raises:
        ExportError: If `input_kind` is unknown or the model does not give `(batch, classes)`.
    """
    if input_kind not in ("any", "fixed"):
        raise ExportError(f"Unknown input kind: {input_kind!r}; use 'any' or 'fixed'.")
    resize = input_kind == "any"
    size = (None, None) if resize else preprocessing.image_size
    image = keras.Input((*size, 3), dtype="uint8", name="image")
    return _finished(image, RawImages(preprocessing, resize)(image), model, CLASSES)


def text_inference_model(model: keras.Model, preprocessing: TextPreprocessing) -> keras.Model:
    """Work out an encoder's inputs from token ids, and put a softmax behind classes or tags.

    The weights are shared or copied as in `inference_model`.

    Args:
        model: The inputs of an encoder, int32 `(batch, length)`, to logits `(batch, classes)`,
            `(batch, length, tags)` or `(batch, length, 2)`, as the preprocessing is for.
        preprocessing: Its tokenizer, length and kind.

    Returns:
        int32 `token_ids` `(batch, sequence length)` to float32 probabilities of classes or tags,
        or to the scores of an answer's first and last piece.

    Raises:
        ExportError: If the tokenizer cannot be used, the model takes other inputs, or it does not
            give such logits.
    """
    padding, separator = special_ids(preprocessing)
    names = preprocessing.inputs
    if not {"token_ids"} <= set(names) <= {"token_ids", "padding_mask", "segment_ids"}:
        raise ExportError(
            "An encoder takes token_ids, padding_mask and segment_ids; the model to export takes "
            f"{', '.join(names)}."
        )
    token_ids = keras.Input((preprocessing.sequence_length,), dtype="int32", name="token_ids")
    prepared = RawTokens(names, padding, separator)(token_ids)
    return _finished(token_ids, prepared, model, output_of(preprocessing.kind))


def special_ids(preprocessing: TextPreprocessing) -> tuple[int, int]:
    """Ids of the padding and of the token that ends a text.

    Raises:
        ExportError: The tokenizer cannot be used.
    """
    try:
        tokenizer = preprocessing.tokenizer
    except ValueError as error:
        raise ExportError(f"The model cannot be exported: {error}") from None
    description = tokenizer.description
    end = description["end"][0]
    return tokenizer.vocabulary[description["padding"]], tokenizer.vocabulary[end]


def _finished(raw: Any, prepared: Any, model: keras.Model, output: Output) -> keras.Model:
    logits = _in_float32(model)(prepared, training=False)
    if len(getattr(logits, "shape", ())) != 2 + output.axes.count(","):
        raise ExportError(
            f"The model to export must give logits (batch, {output.axes}); "
            f"received {getattr(logits, 'shape', type(logits).__name__)}."
        )
    last = keras.layers.Softmax if output.softmax else keras.layers.Identity
    values = last(dtype="float32", name=output.name)(logits)
    return keras.Model(raw, values, name="inference")


def _in_float32(model: keras.Model) -> keras.Model:
    layers = model._flatten_layers()
    if all(layer.dtype_policy.compute_dtype == "float32" for layer in layers):
        return model
    config = _float32_config(keras.saving.serialize_keras_object(model))
    config.pop("compile_config", None)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(model.get_weights())
    return copy


def _float32_config(config: Any) -> Any:
    if isinstance(config, dict):
        if config.get("class_name", "").endswith("DTypePolicy"):
            return {**config, "config": {**config["config"], "name": "float32"}}
        return {key: _float32_config(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_float32_config(value) for value in config)
    return "float32" if config in ("mixed_float16", "mixed_bfloat16") else config
