"""From stored rows to batches: order, weights, augmentation and normalisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from kfine.data.lengths import Lengths, by_length
from kfine.seeds import derive_seed

# Batches whose examples are sorted by length together; more save less than they order.
_POOL = 16


@dataclass
class Batches:
    """The training examples as batches, in an order that follows from the seed and the epoch.

    Where the examples have lengths, those of a batch are of similar length, and the batch is
    trimmed to the longest of them.

    Attributes:
        inputs: Rows that can be indexed with an integer array, or a structure (tuple, dict) of
            them. With several views, those of the first view come first.
        targets: `(rows, ...)`, or a structure of such arrays: one for each output by name.
        sample_weights: `(rows,)` float32 in the structure of the outputs, or `None`.
        batch_size: Examples per batch; the last batch of an epoch may be smaller.
        seed: Seed of order and augmentation.
        prepare: From a batch to what the model takes (normalisation); `None` changes nothing.
        augment: From a float32 batch, its targets and an int32 `(2,)` seed to both, moved together.
        target: In a graph, from targets as they are stored, after augmentation, to what the
            losses compare; `None` changes nothing.
        feed: From what `prepare` gives, and targets as they are stored, to all that the model
            takes, where a part of that comes from the targets; `None` adds nothing.
        views: Rows that the inputs hold of each example; the epochs take turns with them.
        lengths: How far each row reaches, where the inputs are padded sequences.
        min_steps: Least batches of an epoch; it passes over few examples several times.
        masked: Whether the weights mask labels that examples have not got, also in validation.
        epoch: The epoch that the next iteration belongs to; set by whoever trains.
    """

    inputs: Any
    targets: Any
    batch_size: int
    seed: int
    prepare: Callable[[Any], Any] | None = None
    sample_weights: Any = None
    augment: Callable[[Any, Any, Any], tuple[Any, Any]] | None = None
    target: Callable[[Any], Any] | None = None
    feed: Callable[[Any, Any], Any] | None = None
    views: int = 1
    lengths: Lengths | None = None
    min_steps: int = 1
    masked: bool = False
    epoch: int = field(default=0)

    def __len__(self) -> int:
        return rows_in(self.targets)

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
        return -(-len(self) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Numbers of all examples in the order of an epoch, int64; each pass is a permutation."""
        return np.concatenate(self.batches(epoch))

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Numbers of the examples of each batch of an epoch, int64."""
        generator = np.random.default_rng([self.seed, epoch])
        return [rows for _ in range(self.passes) for rows in self._pass(generator)]

    def _pass(self, generator: np.random.Generator) -> list[np.ndarray]:
        order, size = generator.permutation(len(self)), self.batch_size
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

        batches = lru_cache(maxsize=2)(self.batches)

        def indices(step: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            epoch, number = divmod(int(step), self.steps)
            rows = batches(epoch)[number]
            # Neighbours see different views, so that an epoch mixes all of them.
            views = (epoch + rows) % self.views
            seed = np.array([derive_seed(self.seed, epoch, number), 0], np.int32)
            return rows, views * len(self) + rows, seed

        def load(step: Any) -> tuple[Any, ...]:
            found = tf.numpy_function(indices, [step], [tf.int64, tf.int64, tf.int32])
            for one, shape in zip(found, [(None,), (None,), (2,)], strict=True):
                one.set_shape(shape)
            return self._load(*found)

        return mapped_ahead(self._steps_from_now(endless), load)

    def _steps_from_now(self, endless: bool) -> Any:
        """Numbers of steps since the first epoch, of which each iteration begins with `epoch`.

        Made without `from_generator`, which on Python 3.11 makes TensorFlow 2.21 give
        memory back piece by piece in the whole process: training takes a third longer then.
        """
        import tensorflow as tf

        def steps(epoch: Any) -> Any:
            end = tf.int64.max if endless else (epoch + 1) * self.steps
            return tf.data.Dataset.range(epoch * self.steps, end)

        now = tf.data.Dataset.range(1).map(
            lambda one: tf.numpy_function(lambda _: np.int64(self.epoch), [one], tf.int64)
        )
        count = tf.data.INFINITE_CARDINALITY if endless else self.steps
        return now.flat_map(steps).apply(tf.data.experimental.assert_cardinality(count))

    def largest(self, count: int) -> Any:
        """A batch, as `dataset` has them, of so many of the examples that take most room."""
        import tensorflow as tf

        rows = np.arange(len(self)) if self.lengths is None else by_length(self.lengths)
        batch = tf.data.Dataset.from_tensors(np.asarray(rows[-count:], np.int64))
        seed = tf.zeros((2,), tf.int32)
        return next(iter(untuned(batch.map(lambda rows: self._load(rows, rows, seed)))))

    def in_order(self) -> Any:
        """A `tf.data.Dataset` in stored order, of the first view, without augmentation."""
        return evaluation_dataset(
            self.inputs,
            self.prepare,
            self.batch_size,
            self.targets,
            self.lengths,
            target=self.target,
            feed=self.feed,
            sample_weights=self.held_out_weights,
        )

    @property
    def held_out_weights(self) -> Any:
        """Weights of the validation: those that mask labels which examples have not got."""
        return self.sample_weights if self.masked else None

    def _load(self, rows: Any, input_rows: Any, seed: Any) -> tuple[Any, ...]:
        inputs = load(self.inputs, input_rows, self.lengths)
        targets = load_targets(self.targets, rows, self.lengths)
        if self.augment is not None:
            inputs, targets = self.augment(inputs, targets, seed)
        given = self.prepare(inputs) if self.prepare else inputs
        if self.feed is not None:
            given = self.feed(given, targets)
        parts = [given, self.target(targets) if self.target else targets]
        if self.sample_weights is not None:
            parts.append(gather(self.sample_weights, rows))
        return tuple(parts)


def rows_in(rows: Any) -> int:
    """How many rows an array, or a structure of them, has."""
    while isinstance(rows, (dict, list, tuple)):
        rows = next(iter(rows.values() if isinstance(rows, dict) else rows))
    return int(rows.shape[0])


def load(rows: Any, indices: Any, lengths: Lengths | None) -> Any:
    """Rows as tensors, as `gather` gives them, without positions that are padding in all."""
    found = gather(rows, indices)
    return found if lengths is None else lengths.trim(found, indices)


def load_targets(targets: Any, indices: Any, lengths: Lengths | None) -> Any:
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
    targets: Any = None,
    lengths: Lengths | None = None,
    *,
    target: Callable[[Any], Any] | None = None,
    feed: Callable[[Any, Any], Any] | None = None,
    sample_weights: Any = None,
    rows: np.ndarray | None = None,
) -> Any:
    """Batches in stored order, without augmentation, as a `tf.data.Dataset`.

    Examples with lengths come in the order of those, see `by_length`.

    Args:
        inputs: Rows, or a structure of them.
        prepare: From a batch of them to what the model takes.
        batch_size: Rows per batch.
        targets: Of the rows, if they are wanted too.
        lengths: How far the rows reach.
        target: As in `Batches`.
        feed: As in `Batches`.
        sample_weights: As in `Batches`.
        rows: Numbers of the rows to go through, in this order; all if omitted.
    """
    import tensorflow as tf

    count = rows_in(inputs if targets is None else targets)
    if rows is None:
        rows = np.arange(count) if lengths is None else by_length(lengths)
    dataset = tf.data.Dataset.from_tensor_slices(np.asarray(rows, np.int64))

    def read(rows: Any) -> Any:
        found = load(inputs, rows, lengths)
        prepared = prepare(found) if prepare else found
        if targets is None:
            return (prepared,)
        wanted = load_targets(targets, rows, lengths)
        given = feed(prepared, wanted) if feed else prepared
        parts = [given, target(wanted) if target else wanted]
        if sample_weights is not None:
            parts.append(gather(sample_weights, rows))
        return tuple(parts)

    return mapped_ahead(dataset.batch(batch_size), read)


def mapped_ahead(dataset: Any, function: Callable[..., Any], *, batch_size: int = 0) -> Any:
    """A `tf.data.Dataset` mapped in order, two elements at a time and two ahead of the reader.

    Args:
        dataset: A `tf.data.Dataset`.
        function: Maps an element.
        batch_size: Mapped elements that go into a batch; 0 leaves them as they are.
    """
    dataset = dataset.map(function, num_parallel_calls=2, deterministic=True)
    dataset = dataset.batch(batch_size) if batch_size else dataset
    return untuned(dataset.prefetch(2))


def untuned(dataset: Any) -> Any:
    """A `tf.data.Dataset` without the thread that tunes it.

    Now and then TensorFlow 2.21 does not wake that thread when an iterator ends. Letting go of the
    iterator then takes until the thread wakes by itself: as long again as it was read, up to a
    minute.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
