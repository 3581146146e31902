"""A LiteRT (TFLite) file whose head goes on learning on the phone, in builtin operations only.

Google's guide (https://ai.google.dev/edge/litert/models/ondevice_training) trains whole networks,
which needs Flex for the gradients of convolutions and activations (FlexConv2DBackpropFilter,
FlexReluGrad) and for `Save` and `Restore`, whose builtin forms do not exist. Here only the last
dense layer learns. Its gradient under softmax and cross-entropy is `features^T (p - y) / n`,
written out in matrix products; what was learned comes out of `save` and goes into `restore` as
plain arrays, which the app keeps where it likes.

Frozen weights have to become constants first: with resource variables switched on, the converter
leaves every variable a variable, writes initial values only for those that some signature
assigns, and the others are NaN on the phone, silently.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kfine.errors import ExportError
from kfine.exporting.formats.converting import run_converter
from kfine.exporting.metadata.attached import attach_metadata

SIGNATURES = ("infer", "features", "train", "save", "restore")
# As in Keras' own cross-entropy.
_SMALLEST_PROBABILITY = 1e-7


def write_trainable(
    inference: keras.Model,
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    *,
    quantize: str = "float16",
    described: bytes | None = None,
) -> Path:
    """Write a `.tflite` with five signatures and the trained head as its starting point.

    | signature | inputs | outputs |
    |---|---|---|
    | `infer` | image uint8 `(1, height, width, 3)` | probabilities float32 `(1, classes)` |
    | `features` | image uint8 `(1, height, width, 3)` | features float32 `(1, width of head)` |
    | `train` | features `(n, width of head)`, labels one-hot `(n, classes)`, learning_rate `()`, \
all float32 | loss float32 `()` before the step |
    | `save` | none | kernel `(width of head, classes)`, bias `(classes,)` |
    | `restore` | kernel, bias | bias, as it is now |

    One step is plain gradient descent on the mean cross-entropy of the `n` rows. The frozen
    trunk runs once for each photo (`features`), not once for each step.

    Args:
        inference: What `inference_model` returned, of a classifier that ends in a dense layer.
        path: The file to write.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts to carry along.
        quantize: "none", or "float16" for frozen weights of half the size. The head learns in
            float32 either way.
        described: A `ModelMetadata`.

    Returns:
        `path`.

    Raises:
        ExportError: The model ends in something else, or the conversion fails.
    """
    module = _Trainable(inference)
    with tempfile.TemporaryDirectory(prefix=".graph-", dir=path.parent) as folder:
        signatures = {name: getattr(module, name) for name in SIGNATURES}
        tf.saved_model.save(module, folder, signatures=signatures)
        run_converter("convert_training", folder, path, quantize, what="trainable")
    attach_metadata(path, labels, info, described=described)
    return path


class _Trainable(tf.Module):
    """The signatures of a frozen trunk and a dense head."""

    def __init__(self, inference: keras.Model) -> None:
        super().__init__()
        stage = inference.layers[1]
        classifier = next((one for one in inference.layers if hasattr(one, "layers")), None)
        head = classifier.layers[-1] if classifier is not None else None
        if (
            classifier is None
            or not isinstance(head, keras.layers.Dense)
            or head.activation is not keras.activations.linear
        ):
            raise ExportError(
                "Only a dense layer without activation can go on learning on a phone; the model "
                f"ends in {type(head or inference.layers[-1]).__name__}."
            )
        trunk = keras.Model(classifier.inputs, head.input)
        image = inference.inputs[0]
        self._trunk = _frozen(keras.Model(image, trunk(stage(image), training=False)))
        width, classes = head.kernel.shape
        self._kernel = tf.Variable(keras.ops.convert_to_numpy(head.kernel), name="kernel")
        start = head.bias if head.use_bias else tf.zeros(classes)
        self._bias = tf.Variable(keras.ops.convert_to_numpy(start), name="bias")
        self._define(tf.TensorSpec((1, *image.shape[1:]), tf.uint8), width, classes)

    def _define(self, image: tf.TensorSpec, width: int, classes: int) -> None:
        rows = [tf.TensorSpec((None, width)), tf.TensorSpec((None, classes)), tf.TensorSpec(())]
        head = [tf.TensorSpec((width, classes)), tf.TensorSpec((classes,))]
        # XLA, which Keras might choose, leaves nothing that the converter knows.
        for name, signature in (
            ("infer", [image]),
            ("features", [image]),
            ("train", rows),
            ("save", []),
            ("restore", head),
        ):
            step = tf.function(getattr(self, f"_{name}"), signature, jit_compile=False)
            setattr(self, name, step)

    def _infer(self, image: Any) -> dict[str, Any]:
        return {"probabilities": self._answer(self._trunk(image)[0])}

    def _features(self, image: Any) -> dict[str, Any]:
        return {"features": self._trunk(image)[0]}

    def _train(self, features: Any, labels: Any, learning_rate: Any) -> dict[str, Any]:
        probabilities = self._answer(features)
        likelihood = tf.reduce_sum(labels * probabilities, -1)
        loss = -tf.reduce_mean(tf.math.log(tf.maximum(likelihood, _SMALLEST_PROBABILITY)))
        error = (probabilities - labels) / tf.cast(tf.shape(features)[0], tf.float32)
        gradient = tf.matmul(features, error, transpose_a=True)
        self._kernel.assign(self._kernel - learning_rate * gradient)
        self._bias.assign(self._bias - learning_rate * tf.reduce_sum(error, 0))
        return {"loss": loss}

    def _save(self) -> dict[str, Any]:
        return {"kernel": tf.identity(self._kernel), "bias": tf.identity(self._bias)}

    def _restore(self, kernel: Any, bias: Any) -> dict[str, Any]:
        self._kernel.assign(kernel)
        self._bias.assign(bias)
        # A signature must have an output.
        return {"bias": tf.identity(self._bias)}

    def _answer(self, features: Any) -> Any:
        return tf.nn.softmax(tf.matmul(features, self._kernel) + self._bias)


def _frozen(model: keras.Model) -> Any:
    """The model for one image as a function whose weights are constants."""
    # Its only home; TensorFlow's own converters take it from there too.
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    image = tf.TensorSpec((1, *model.inputs[0].shape[1:]), tf.uint8, name="image")
    call = tf.function(lambda images: model(images, training=False), jit_compile=False)
    return convert_variables_to_constants_v2(call.get_concrete_function(image))
