"""A set of examples as people hand it to Keras: arrays, or a `tf.data.Dataset` of batches."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from typing import IO, Any

import keras
import numpy as np

from kfine.data.cache import cache_folder
from kfine.errors import ConfigError
from kfine.runs.files import plain_disk_errors


def read_set(given: Any) -> tuple[Any, tuple[Any, ...]]:
    """The inputs of a set as rows, and its targets and sample weights, where it has those.

    Args:
        given: Arrays `(examples, ...)` or a structure of them, or a `tf.data.Dataset` of batches
            `inputs`, `(inputs, targets)` or `(inputs, targets, sample_weights)`.

    Returns:
        Rows that can be indexed with an integer array, those of a dataset in a file; and arrays.

    Raises:
        ConfigError: The dataset does not end, is empty, or its examples differ in shape.
        RunError: The disk cannot be written.
    """
    import tensorflow as tf

    if not isinstance(given, tf.data.Dataset):
        return keras.tree.map_structure(np.asarray, given), ()
    if given.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ConfigError("A dataset whose features are kept has to end. Received: an endless one")
    # A map of a file goes on when the file is closed.
    with ExitStack() as files:
        rows: list[_Growing] = []
        structure: Any = None
        targets: list[Any] = []
        for batch in given.as_numpy_iterator():
            structure, *rest = batch if isinstance(batch, tuple) else (batch,)
            flat = [np.asarray(part) for part in keras.tree.flatten(structure)]
            rows = rows or [_Growing(part, files) for part in flat]
            for one, part in zip(rows, flat, strict=True):
                one.append(part)
            targets.append(tuple(rest))
        if not rows:
            raise ConfigError("A dataset whose features are kept needs examples. Received: none")
        joined = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *targets)
        return keras.tree.pack_sequence_as(structure, [one.rows() for one in rows]), joined


class _Growing:
    """Rows that are appended to a file without a name, which goes when nothing reads them.

    Args:
        first: A batch like those that are to come.
        files: Closes the file.
    """

    def __init__(self, first: np.ndarray, files: ExitStack) -> None:
        if first.ndim == 0 or first.dtype.kind not in "biuf":
            raise ConfigError(
                "A dataset whose features are kept gives batches of numbers. "
                f"Received: shape {first.shape} of {first.dtype}"
            )
        self.shape, self.dtype, self.count = first.shape[1:], first.dtype, 0
        self.folder = cache_folder()
        with plain_disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115  closed by `files`
            self.file: IO[bytes] = files.enter_context(file)

    def append(self, part: np.ndarray) -> None:
        """Write the rows of a batch behind the others."""
        if part.shape[1:] != self.shape:
            raise ConfigError(
                "The examples of a dataset whose features are kept have one shape. "
                f"Received: {part.shape} after {(None, *self.shape)}"
            )
        with plain_disk_errors(self.folder):
            self.file.write(np.ascontiguousarray(part, self.dtype).data)
        self.count += len(part)

    def rows(self) -> np.ndarray:
        """All rows, read from the file when they are asked for."""
        with plain_disk_errors(self.folder):
            self.file.flush()
            return np.memmap(self.file, self.dtype, "r", shape=(self.count, *self.shape))
