"""Batches computed in parts: the same steps in less memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from kfine.errors import ConfigError
from kfine.keras_private import track_loss

_STEPS = ("train_step", "test_step")


def compute_in_parts(model: keras.Model, losses: Any, parts: int) -> None:
    """Make a compiled model compute each batch in parts, one after the other.

    The gradients of the parts are summed before the one step that the optimizer takes, weighed so
    that the sum is the gradient of the whole batch, up to rounding. That holds for losses that are
    a mean over examples, and for those that say in `counted(y_true)` what they are a mean over
    (a float32 scalar), such as tokens. What else a batch decides together is decided by each part:
    the statistics of a BatchNorm that trains, and Dice. Layers with dropout draw for each part
    anew. The losses of single outputs, which Keras
    reports beside their sum, are means over parts where otherwise they are means over batches.

    Args:
        model: A compiled model, whose `train_step` and `test_step` are those of Keras.
        losses: Its loss, or one for each output by name.
        parts: Of a batch; those of a batch with fewer examples have one example each. One is Keras'
            own step.

    Raises:
        ConfigError: The model has a step of its own.
    """
    if parts == 1:
        compute_whole(model)
        return
    if any(getattr(type(model), name) is not getattr(keras.Model, name) for name in _STEPS):
        raise ConfigError(
            f"accumulate parts the training step of Keras, and {type(model).__name__} has its own; "
            "set accumulate to 1."
        )
    model.train_step = partial(_train_step, model, losses, parts)
    model.test_step = partial(_test_step, model, losses, parts)


def compute_whole(model: keras.Model) -> None:
    """Undo `compute_in_parts`."""
    for name in _STEPS:
        if name in vars(model):
            delattr(model, name)


def _train_step(model: Any, losses: Any, parts: int, data: Any) -> dict[str, Any]:
    """As Keras' own, of a batch in parts."""
    weights = model.trainable_weights
    unused: set[int] = set()

    def gradients(part: Any, share: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            loss = model.optimizer.scale_loss(_loss_of(model, part, training=True) * share)
        return list(tape.gradient(loss, weights))

    def add(part: Any, share: Any, sums: Any) -> list[Any]:
        found = gradients(part, share)
        unused.update(number for number, one in enumerate(found) if one is None)
        return [
            total if one is None else total + tf.convert_to_tensor(one)
            for total, one in zip(sums, found, strict=True)
        ]

    zeros = [tf.zeros(one.shape, one.dtype) for one in weights]
    sums = _over_parts(losses, parts, data, add, zeros)
    # Keras warns of a weight that the loss does not depend on, and leaves it as it is.
    found = [None if number in unused else one for number, one in enumerate(sums)]
    model.optimizer.apply_gradients(zip(found, weights, strict=True))
    return dict(model.get_metrics_result())


def _test_step(model: Any, losses: Any, parts: int, data: Any) -> dict[str, Any]:
    """As Keras' own, of a batch in parts."""

    def add(part: Any, share: Any, sums: Any) -> list[Any]:
        _loss_of(model, part, training=False)
        return list(sums)

    _over_parts(losses, parts, data, add, [])
    return dict(model.get_metrics_result())


def _loss_of(model: Any, part: Any, *, training: bool) -> Any:
    """The loss of some examples, which it and the metrics are told of."""
    x, y, weights = part
    predicted = model(x, training=training)
    loss = model.compute_loss(x, y, predicted, weights, training=training)
    track_loss(model, loss, _rows(y))
    model.compute_metrics(x, y, predicted, sample_weight=weights)
    return loss


def _over_parts(
    losses: Any, parts: int, data: Any, add: Callable[[Any, Any, Any], list[Any]], sums: list[Any]
) -> list[Any]:
    """What `add` makes of the parts of a batch, one after the other.

    Args:
        losses: As in `compute_in_parts`.
        parts: How many.
        data: The batch: inputs, targets and weights.
        add: From a part, the share of the batch's examples that it has, and the sums so far to
            the sums with the part.
        sums: What they begin with.
    """
    batch = keras.utils.unpack_x_y_sample_weight(data)
    rows = _rows(batch[1])
    count = tf.minimum(parts, rows)

    def one_more(number: Any, *sums: Any) -> list[Any]:
        first, last = number * rows // count, (number + 1) * rows // count
        share = tf.cast(last - first, "float32") / tf.cast(rows, "float32")
        x, y, weights = tf.nest.map_structure(
            lambda one: None if one is None else one[first:last], batch
        )
        weights = _weighed(losses, y, batch[1], weights, share)
        return [number + 1, *add((x, y, weights), share, sums)]

    _, *found = tf.while_loop(
        lambda number, *_: number < count,
        one_more,
        [tf.constant(0), *sums],
        # Two at once would need the memory of two.
        parallel_iterations=1,
    )
    return found


def _weighed(losses: Any, y: Any, whole: Any, weights: Any, share: Any) -> Any:
    """Sample weights of a part whose losses are means over something else than examples.

    The mean over a part with few of the batch's tokens, say, counts as much less.
    """
    if isinstance(losses, Mapping):
        given = weights or {}
        found = {
            name: _weighed(loss, y[name], whole[name], given.get(name), share)
            for name, loss in losses.items()
        }
        return found if any(one is not None for one in found.values()) else None
    counted = getattr(losses, "counted", None)
    if counted is None:
        return weights
    factor = tf.math.divide_no_nan(counted(y), counted(whole) * share)
    return tf.fill(tf.shape(y)[:1], factor) if weights is None else weights * factor


def _rows(y: Any) -> Any:
    return tf.shape(tf.nest.flatten(y)[0])[0]
