"""From stored rows to batches: order, weights, augmentation and normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kfine.seeds import derive_seed


@dataclass
class Batches:
    """The training examples as batches, in an order that follows from the seed and the epoch.

    Attributes:
        inputs: Rows that can be indexed with an integer array, or a structure (tuple, dict) of
            them. With several views, those of the first view come first.
        targets: `(examples, ...)` float32.
        sample_weights: `(examples,)` float32, or `None`.
        batch_size: Examples per batch; the last batch of an epoch may be smaller.
        seed: Seed of order and augmentation.
        prepare: From a batch to what the model takes (normalisation); `None` changes nothing.
        augment: From a float32 batch and an int32 `(2,)` seed to an augmented batch.
        views: Rows that the inputs hold of each example; the epochs take turns with them.
        epoch: The epoch that the next iteration belongs to; set by whoever trains.
    """

    inputs: Any
    targets: np.ndarray
    batch_size: int
    seed: int
    prepare: Callable[[Any], Any] | None = None
    sample_weights: np.ndarray | None = None
    augment: Callable[[Any, Any], Any] | None = None
    views: int = 1
    epoch: int = field(default=0)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self.targets) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Permutation of all examples for an epoch, int64."""
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.targets))

    def dataset(self) -> Any:
        """A `tf.data.Dataset` that starts the current epoch anew at each iteration."""
        import tensorflow as tf

        def indices() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
            epoch, order = self.epoch, self.order(self.epoch)
            for step in range(self.steps):
                rows = order[step * self.batch_size : (step + 1) * self.batch_size]
                # Neighbours see different views, so that an epoch mixes all of them.
                views = (epoch + rows) % self.views
                seed = np.array([derive_seed(self.seed, epoch, step), 0], np.int32)
                yield rows, views * len(self) + rows, seed

        numbers = tf.TensorSpec((None,), tf.int64)
        signature = (numbers, numbers, tf.TensorSpec((2,), tf.int32))
        dataset = tf.data.Dataset.from_generator(indices, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps))
        dataset = dataset.map(self._load, num_parallel_calls=2, deterministic=True)
        return dataset.prefetch(2)

    def in_order(self) -> Any:
        """A `tf.data.Dataset` in stored order, of the first view, without augmentation."""
        return evaluation_dataset(self.inputs, self.prepare, self.batch_size, self.targets)

    def _load(self, rows: Any, input_rows: Any, seed: Any) -> tuple[Any, ...]:
        inputs = gather(self.inputs, input_rows)
        if self.augment is not None:
            inputs = self.augment(inputs, seed)
        parts = [self.prepare(inputs) if self.prepare else inputs, gather(self.targets, rows)]
        if self.sample_weights is not None:
            parts.append(gather(self.sample_weights, rows))
        return tuple(parts)


def gather(rows: Any, indices: Any) -> Any:
    """Rows as tensors, read with NumPy inside a `tf.data` graph, in the structure of `rows`.

    Images and activations become float32, masks and token ids stay as they are.
    """
    import tensorflow as tf

    flat = tf.nest.flatten(rows)
    dtypes = [_fed_as(one.dtype) for one in flat]

    def read(chosen: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(one[chosen], dtype) for one, dtype in zip(flat, dtypes, strict=True)]

    values = tf.numpy_function(read, [indices], dtypes)
    for value, one in zip(values, flat, strict=True):
        value.set_shape((None, *one.shape[1:]))
    return tf.nest.pack_sequence_as(rows, values)


def _fed_as(dtype: Any) -> np.dtype[Any]:
    dtype = np.dtype(dtype)
    return np.dtype(np.float32) if dtype.kind == "f" or dtype == np.uint8 else dtype


def evaluation_dataset(
    inputs: Any,
    prepare: Callable[[Any], Any] | None,
    batch_size: int,
    targets: np.ndarray | None = None,
) -> Any:
    """Batches in stored order, without augmentation, as a `tf.data.Dataset`."""
    import tensorflow as tf

    count = len(targets) if targets is not None else tf.nest.flatten(inputs)[0].shape[0]
    dataset = tf.data.Dataset.range(count).batch(batch_size)

    def load(rows: Any) -> Any:
        found = gather(inputs, rows)
        prepared = prepare(found) if prepare else found
        return (prepared,) if targets is None else (prepared, gather(targets, rows))

    return dataset.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights `(examples,)` float32 that make every class count the same: `n / (classes n_c)`."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    weights: np.ndarray = (len(labels) / (classes * counts))[labels]
    return weights.astype(np.float32)
