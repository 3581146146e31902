"""What a model gives: for rows, or batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kfine.data.lengths import Lengths, padded
from kfine.data.pipeline import evaluation_dataset, rows_in
from kfine.keras_private import flattened, inputs_of, outputs_of
from kfine.models.groups import is_batch_norm


class Forward:
    """A model's inference, traced once, for some rows at a time.

    Args:
        model: A Keras model.
        inputs: Rows, or a structure of them.
        prepare: From a batch of them to the model's input.
        batch_size: Rows at a time.
        lengths: How far the rows reach; what was trimmed is zero in the outputs.
    """

    def __init__(
        self,
        model: Any,
        inputs: Any,
        prepare: Callable[[Any], Any] | None,
        batch_size: int,
        lengths: Lengths | None = None,
        call: Callable[[Any], Any] | None = None,
    ) -> None:
        self.model, self.inputs, self.prepare = model, inputs, prepare
        self.batch_size, self.lengths = batch_size, lengths
        self._call = call

    def rows(self, numbers: Any) -> Any:
        """What the model gives for the rows of these numbers: `(rows, ...)` or a structure."""
        numbers = np.asarray(numbers, np.int64)
        if self.lengths is None:
            dataset = evaluation_dataset(self.inputs, self.prepare, self.batch_size, rows=numbers)
            return self.model.predict(dataset, verbose=0)
        import tensorflow as tf

        order = np.argsort(self.lengths.used[numbers], kind="stable")
        whole = tf.nest.flatten(self.inputs)[0].shape[1]
        along = [len(one.shape) > 1 and one.shape[1] is None for one in self.model.outputs]
        parts: list[list[np.ndarray]] = [[] for _ in along]
        structure, self._call = None, self._call or forward_of(self.model, exact=True)
        batches = evaluation_dataset(
            self.inputs, self.prepare, self.batch_size, lengths=self.lengths, rows=numbers[order]
        )
        for (batch,) in batches:
            structure = self._call(batch)
            flat = tf.nest.flatten(structure)
            for part, found, positions in zip(parts, flat, along, strict=True):
                part.append(padded(np.asarray(found), whole) if positions else np.asarray(found))
        back = np.argsort(order, kind="stable")
        return tf.nest.pack_sequence_as(structure, [np.concatenate(part)[back] for part in parts])


def predict_rows(
    model: Any,
    inputs: Any,
    prepare: Callable[[Any], Any] | None,
    batch_size: int,
    lengths: Lengths | None = None,
) -> Any:
    """What a model gives for all rows, in their order; see `Forward`."""
    return Forward(model, inputs, prepare, batch_size, lengths).rows(np.arange(rows_in(inputs)))


def forward_of(model: Any, *, exact: bool) -> Callable[[Any], Any]:
    """A functional model's inference as a graph, traced once for every size of its inputs.

    `predict_on_batch` traces anew for the last, smaller batch and for each length.

    Args:
        model: A functional model.
        exact: Compute as the model itself does. Otherwise a model with BatchNorm has its weights
            as constants, as they are now: Keras scales and shifts after a convolution, and of
            constants TensorFlow makes that a part of the convolution. That takes a fifth off the
            time of EfficientNet-Lite0 and changes its features by 2e-6 of the largest.
    """
    import tensorflow as tf

    taken = tf.nest.map_structure(lambda one: tf.TensorSpec(one.shape, one.dtype), model.input)
    folds = not exact and _has_batch_norm(model)
    forward = _with_constants(model) if folds else lambda batch: model(batch, training=False)
    traced = tf.function(forward, input_signature=[taken], autograph=False)

    def call(batch: Any) -> Any:
        return traced(tf.nest.map_structure(lambda one, to: tf.cast(one, to.dtype), batch, taken))

    return call


def behind_constants(trunk: keras.Model, suffix: keras.Model) -> keras.Model | None:
    """A cut model that trains only its suffix, the trunk's weights as constants.

    Args:
        trunk: From the inputs to the features, in the state that it stays in.
        suffix: From the features to the outputs; its layers are shared.

    Returns:
        The model, or `None` where constants gain nothing (see `forward_of`).
    """
    if not _has_batch_norm(trunk):
        return None
    inputs = keras.tree.map_structure(
        lambda one: keras.Input(batch_shape=one.shape, dtype=one.dtype), inputs_of(trunk)
    )
    return keras.Model(inputs, suffix(_Constant(trunk)(inputs)))


class _Constant(keras.layers.Layer):
    """A trunk that is part of the graph, and none of whose weights is the model's."""

    def __init__(self, trunk: keras.Model) -> None:
        super().__init__()
        self._forward = _with_constants(trunk)
        self._gives = keras.tree.map_structure(
            lambda one: keras.KerasTensor(one.shape, one.dtype), outputs_of(trunk)
        )

    def call(self, inputs: Any) -> Any:
        """The features of a batch."""
        return self._forward(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """As the trunk's, without tracing it."""
        return self._gives


def _has_batch_norm(model: keras.Model) -> bool:
    return any(is_batch_norm(layer) for layer in flattened(model))


def _with_constants(model: Any) -> Callable[[Any], Any]:
    """A model's inference with its weights of now, to be traced."""
    import tensorflow as tf

    both = (model.trainable_variables, model.non_trainable_variables)
    weights = [[variable.numpy() for variable in variables] for variables in both]

    def forward(batch: Any) -> Any:
        # Made while tracing: made before, they would be inputs of the graph.
        constants = [[tf.constant(value) for value in values] for values in weights]
        return model.stateless_call(*constants, batch, training=False)[0]

    return forward
