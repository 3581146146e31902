"""Which words of a text speak for what a model says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import keras
import numpy as np

from kfine.keras_private import flattened

_BATCH = 16
# Of the way from no embedding to the whole; with twice as many the order of words stays the same.
_STEPS = 8


def deciding_words(model: keras.Model, rows: Any, places: Any) -> list[np.ndarray] | None:
    """How much each word of some texts speaks for what the model says of it.

    Integrated gradients (Sundararajan et al., 2017, https://arxiv.org/abs/1703.01365) of the
    embedded word pieces, from none to all of each, summed over the pieces of a word. Plain gradient
    times input was no better than chance at telling the words without which a model says less
    (docs/report.md). Frozen layers make no difference: gradients are of activations, not of
    weights.

    Args:
        model: With one output `(rows, classes)` of logits.
        rows: Of some texts, as the model takes them.
        places: Of the rows, with `pieces` and `texts`.

    Returns:
        For each text float32 `(words,)`, from -1, against it, to 1, of the strongest word; `None`
        where the model looks up no word pieces, or has another kind of output.
    """
    table = _token_table(model)
    if table is None or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        return None
    length = places.pieces.token_ids.shape[1]
    whole, said = table.numpy(), _says(model, rows)
    weights = np.zeros((len(places.owner), length), np.float32)
    try:
        for step in range(_STEPS):
            table.assign(whole * ((step + 0.5) / _STEPS))
            slopes = _slopes(model, rows, table.value, whole, said)
            if slopes is None:
                return None
            weights += slopes.reshape(-1, length) / _STEPS
    finally:
        table.assign(whole)
    return _by_word(weights, places)


def _taken(some: slice, rows: np.ndarray) -> Any:
    return keras.ops.convert_to_tensor(rows[some])


def _parts(rows: Any) -> Iterator[tuple[slice, Any]]:
    count = len(keras.tree.flatten(rows)[0])
    for start in range(0, count, _BATCH):
        some = slice(start, start + _BATCH)
        yield some, keras.tree.map_structure(partial(_taken, some), rows)


def _says(model: keras.Model, rows: Any) -> np.ndarray:
    """The number of the class that the model says of each row."""
    logits = [np.asarray(model(some, training=False)) for _, some in _parts(rows)]
    found: np.ndarray = np.concatenate(logits).argmax(axis=-1)
    return found


def _slopes(
    model: keras.Model, rows: Any, table: Any, whole: np.ndarray, said: np.ndarray
) -> np.ndarray | None:
    """Of each piece looked up, in order: its gradient times its embedding; `None` without."""
    import tensorflow as tf

    found = []
    for at, some in _parts(rows):
        with tf.GradientTape() as tape:
            # Else nothing is recorded where the table is frozen.
            tape.watch(table)
            logits = model(some, training=False)
            chosen = tf.gather(logits, said[at], axis=1, batch_dims=1)
            lead = chosen - tf.reduce_mean(logits, axis=-1)
        slopes = tape.gradient(lead, table)
        if not isinstance(slopes, tf.IndexedSlices):
            return None
        looked_up = whole[slopes.indices.numpy()]
        found.append((slopes.values.numpy() * looked_up).sum(axis=-1))
    return np.concatenate(found)


def _token_table(model: keras.Model) -> Any:
    """The largest table of embeddings, which is that of the word pieces; `None` without one."""
    found = [one.embeddings for one in flattened(model) if isinstance(one, keras.layers.Embedding)]
    return max(found, key=lambda one: int(one.shape[0])) if found else None


def _by_word(weights: np.ndarray, places: Any) -> list[np.ndarray]:
    owners = places.pieces.owners
    found = [np.zeros(len(one.spans), np.float32) for one in places.texts]
    for row, text in enumerate(places.owner.tolist()):
        of_words = owners[row] >= 0
        np.add.at(found[text], owners[row][of_words], weights[row][of_words])
    return [one / max(float(np.abs(one).max(initial=0)), 1e-12) for one in found]
