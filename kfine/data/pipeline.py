"""From stored rows to batches: order, weights, augmentation and normalisation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kfine.seeds import derive_seed

# Lengths that batches are trimmed to are multiples of this, so that there are few of them.
_LENGTH_STEP = 8
# Batches whose examples are sorted by length together; more save less than they order.
_POOL = 16


@dataclass(frozen=True)
class Lengths:
    """How far each example of padded sequences reaches.

    Attributes:
        used: `(examples,)` int, positions in use; those behind them are padding.
        sequences: For each tensor of the rows, in flat order, whether its second axis is
            positions.
        targets: Whether the second axis of the targets is positions.
    """

    used: np.ndarray
    sequences: tuple[bool, ...]
    targets: bool = False

    def trim(self, tensors: Any, rows: Any) -> Any:
        """Drop the positions that none of some rows uses; `tensors` are those rows."""
        import tensorflow as tf

        length = self._longest(rows)
        flat = [
            tensor[:, :length] if sequence else tensor
            for tensor, sequence in zip(tf.nest.flatten(tensors), self.sequences, strict=True)
        ]
        return tf.nest.pack_sequence_as(tensors, flat)

    def trim_targets(self, targets: Any, rows: Any) -> Any:
        """The same of the targets of some rows, if those have positions."""
        return targets[:, : self._longest(rows)] if self.targets else targets

    def _longest(self, rows: Any) -> Any:
        import tensorflow as tf

        longest = tf.reduce_max(tf.gather(tf.constant(self.used, tf.int32), rows))
        return -(-longest // _LENGTH_STEP) * _LENGTH_STEP


@dataclass
class Batches:
    """The training examples as batches, in an order that follows from the seed and the epoch.

    Where the examples have lengths, those of a batch are of similar length, and the batch is
    trimmed to the longest of them.

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
        lengths: How far each row reaches, where the inputs are padded sequences.
        min_steps: Least batches of an epoch; it passes over few examples several times.
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
    lengths: Lengths | None = None
    min_steps: int = 1
    epoch: int = field(default=0)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return self.passes * self._steps_of_pass

    @property
    def passes(self) -> int:
        """How often an epoch goes over the examples."""
        return -(-self.min_steps // self._steps_of_pass)

    @property
    def _steps_of_pass(self) -> int:
        return -(-len(self.targets) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Numbers of all examples in the order of an epoch, int64; each pass is a permutation."""
        return np.concatenate(self.batches(epoch))

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Numbers of the examples of each batch of an epoch, int64."""
        generator = np.random.default_rng([self.seed, epoch])
        return [rows for _ in range(self.passes) for rows in self._pass(generator)]

    def _pass(self, generator: np.random.Generator) -> list[np.ndarray]:
        order, size = generator.permutation(len(self.targets)), self.batch_size
        if self.lengths is None:
            return [order[start : start + size] for start in range(0, len(order), size)]
        batches = []
        for start in range(0, len(order), _POOL * size):
            pool = order[start : start + _POOL * size]
            pool = pool[np.argsort(self.lengths.used[pool], kind="stable")]
            batches += [pool[first : first + size] for first in range(0, len(pool), size)]
        return [batches[number] for number in generator.permutation(len(batches))]

    def dataset(self, *, endless: bool = False) -> Any:
        """A `tf.data.Dataset` that starts the current epoch anew at each iteration.

        Args:
            endless: Go on with the epochs after it, so that one iteration serves a whole fit.
        """
        import tensorflow as tf

        def indices() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
            for epoch in itertools.count(self.epoch):
                for step, rows in enumerate(self.batches(epoch)):
                    # Neighbours see different views, so that an epoch mixes all of them.
                    views = (epoch + rows) % self.views
                    seed = np.array([derive_seed(self.seed, epoch, step), 0], np.int32)
                    yield rows, views * len(self) + rows, seed
                if not endless:
                    return

        numbers = tf.TensorSpec((None,), tf.int64)
        signature = (numbers, numbers, tf.TensorSpec((2,), tf.int32))
        dataset = tf.data.Dataset.from_generator(indices, output_signature=signature)
        steps = tf.data.INFINITE_CARDINALITY if endless else self.steps
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
        dataset = dataset.map(self._load, num_parallel_calls=2, deterministic=True)
        return dataset.prefetch(2)

    def in_order(self) -> Any:
        """A `tf.data.Dataset` in stored order, of the first view, without augmentation."""
        return evaluation_dataset(
            self.inputs, self.prepare, self.batch_size, self.targets, self.lengths
        )

    def _load(self, rows: Any, input_rows: Any, seed: Any) -> tuple[Any, ...]:
        inputs = load(self.inputs, input_rows, self.lengths)
        if self.augment is not None:
            inputs = self.augment(inputs, seed)
        targets = load_targets(self.targets, rows, self.lengths)
        parts = [self.prepare(inputs) if self.prepare else inputs, targets]
        if self.sample_weights is not None:
            parts.append(gather(self.sample_weights, rows))
        return tuple(parts)


def load(rows: Any, indices: Any, lengths: Lengths | None) -> Any:
    """Rows as tensors, as `gather` gives them, without positions that are padding in all."""
    found = gather(rows, indices)
    return found if lengths is None else lengths.trim(found, indices)


def load_targets(targets: np.ndarray, indices: Any, lengths: Lengths | None) -> Any:
    """Targets of some rows as tensors, trimmed as their inputs are."""
    found = gather(targets, indices)
    return found if lengths is None else lengths.trim_targets(found, indices)


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
    lengths: Lengths | None = None,
) -> Any:
    """Batches in stored order, without augmentation, as a `tf.data.Dataset`.

    Examples with lengths come in the order of those, see `by_length`.
    """
    import tensorflow as tf

    count = len(targets) if targets is not None else tf.nest.flatten(inputs)[0].shape[0]
    dataset = tf.data.Dataset.range(count)
    if lengths is not None:
        dataset = tf.data.Dataset.from_tensor_slices(by_length(lengths))

    def read(rows: Any) -> Any:
        found = load(inputs, rows, lengths)
        prepared = prepare(found) if prepare else found
        if targets is None:
            return (prepared,)
        return prepared, load_targets(targets, rows, lengths)

    dataset = dataset.batch(batch_size)
    return dataset.map(read, num_parallel_calls=2, deterministic=True).prefetch(2)


def padded(values: np.ndarray, length: int) -> np.ndarray:
    """Zeros behind `(examples, positions, ...)` up to a number of positions."""
    missing = length - values.shape[1]
    return np.pad(values, [(0, 0), (0, missing), *[(0, 0)] * (values.ndim - 2)])


def by_length(lengths: Lengths) -> np.ndarray:
    """Numbers of the examples from the shortest to the longest, int64."""
    return np.argsort(lengths.used, kind="stable").astype(np.int64)


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights `(examples,)` float32 that make every class count the same: `n / (classes n_c)`."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    weights: np.ndarray = (len(labels) / (classes * counts))[labels]
    return weights.astype(np.float32)
