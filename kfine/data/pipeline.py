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
        inputs: Rows that can be indexed with an integer array.
        targets: `(examples, ...)` float32.
        sample_weights: `(examples,)` float32, or `None`.
        batch_size: Examples per batch; the last batch of an epoch may be smaller.
        seed: Seed of order and augmentation.
        prepare: From a float32 batch to what the model takes (normalisation).
        augment: From a float32 batch and an int32 `(2,)` seed to an augmented batch.
        epoch: The epoch that the next iteration belongs to; set by whoever trains.
    """

    inputs: Any
    targets: np.ndarray
    batch_size: int
    seed: int
    prepare: Callable[[Any], Any]
    sample_weights: np.ndarray | None = None
    augment: Callable[[Any, Any], Any] | None = None
    epoch: int = field(default=0)

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

        def indices() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            epoch, order = self.epoch, self.order(self.epoch)
            for step in range(self.steps):
                rows = order[step * self.batch_size : (step + 1) * self.batch_size]
                yield rows, np.array([derive_seed(self.seed, epoch, step), 0], np.int32)

        signature = (tf.TensorSpec((None,), tf.int64), tf.TensorSpec((2,), tf.int32))
        dataset = tf.data.Dataset.from_generator(indices, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps))
        dataset = dataset.map(self._load, num_parallel_calls=2, deterministic=True)
        return dataset.prefetch(2)

    def _load(self, rows: Any, seed: Any) -> tuple[Any, ...]:
        inputs = gather(self.inputs, rows)
        if self.augment is not None:
            inputs = self.augment(inputs, seed)
        parts = [self.prepare(inputs), gather(self.targets, rows)]
        if self.sample_weights is not None:
            parts.append(gather(self.sample_weights, rows))
        return tuple(parts)


def gather(rows: Any, indices: Any) -> Any:
    """Rows as a float32 tensor, read with NumPy inside a `tf.data` graph."""
    import tensorflow as tf

    def read(chosen: np.ndarray) -> np.ndarray:
        return np.asarray(rows[chosen], np.float32)

    values = tf.numpy_function(read, [indices], tf.float32)
    values.set_shape((None, *rows.shape[1:]))
    return values


def evaluation_dataset(
    inputs: Any,
    prepare: Callable[[Any], Any],
    batch_size: int,
    targets: np.ndarray | None = None,
) -> Any:
    """Batches in stored order, without augmentation, as a `tf.data.Dataset`."""
    import tensorflow as tf

    count = inputs.shape[0]
    dataset = tf.data.Dataset.range(count).batch(batch_size)

    def load(rows: Any) -> Any:
        prepared = prepare(gather(inputs, rows))
        return prepared if targets is None else (prepared, gather(targets, rows))

    return dataset.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights `(examples,)` float32 that make every class count the same: `n / (classes n_c)`."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    weights: np.ndarray = (len(labels) / (classes * counts))[labels]
    return weights.astype(np.float32)
