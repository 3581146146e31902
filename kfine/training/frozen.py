"""What the frozen part of a model gives for a set of examples: from the cache, or into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from kfine.console import Console
from kfine.data.lengths import Lengths
from kfine.data.row_cache import DamagedRows, row_identities
from kfine.keras_private import outputs_of
from kfine.models.cutting import CannotCut, Cut, cut_model
from kfine.models.feeding import Fed
from kfine.models.forward import predict_rows
from kfine.models.groups import LayerGroup
from kfine.models.linear_head import below_head
from kfine.training.trunk import Trunk
from kfine.training.trunk_key import trunk_key
from kfine.training.trunk_pass import Request, fill, has_positions

_ROWS = 32  # at a time


def request_for(
    inputs: Any, prepare: Callable[[Any], Any] | None, lengths: Lengths | None = None
) -> Request:
    """All examples of some rows, as they are.

    Args:
        inputs: Rows of raw inputs, or a structure of them.
        prepare: From a batch of them to the model's input.
        lengths: How far the rows reach, where they are padded sequences.
    """
    flat = keras.tree.flatten(inputs)
    rows = np.arange(flat[0].shape[0])
    return Request(inputs, rows, row_identities(flat), prepare, lengths=lengths)


def worthwhile_cut(
    model: keras.Model, groups: Sequence[LayerGroup], depth: int, fed: Fed | None = None
) -> Cut:
    """As `cut_model`, for a trunk whose features are worth keeping.

    Raises:
        CannotCut: There is none, or it only looks up embeddings: reading those is no faster.
    """
    cut = cut_model(model, groups, depth, fed)
    names = [variable.name for layer in cut.layers for variable in layer.weights]
    if not any("kernel" in name for name in names):
        raise CannotCut("the frozen layers only look up embeddings")
    return cut


def lengths_of(trunk: Trunk, request: Request) -> Lengths | None:
    """How far the features of a request reach, where its rows have lengths."""
    if request.lengths is None:
        return None
    sequences = tuple(has_positions(tensor) for tensor in trunk.cut.trunk.outputs)
    return replace(request.lengths, sequences=sequences)


def open_rows_of(trunk: Trunk, request: Request, memory_budget: int, console: Console) -> Any:
    """The features of a request, in the structure that the suffix takes; all must be there.

    Args:
        trunk: Whose cache was filled for the request.
        request: The examples.
        memory_budget: Bytes; more is read from disk batch by batch.
        console: Hears of damage that was mended.
    """
    assert trunk.cache is not None
    try:
        rows = trunk.cache.rows(request.identities, memory_budget)
    except DamagedRows:
        console.warn(f"a damaged part of the cache {trunk.cache.folder} is computed again")
        trunk.open(trunk.floats)
        fill([trunk], [request], "damaged features", console)
        rows = trunk.cache.rows(request.identities, memory_budget)
    return keras.tree.pack_sequence_as(outputs_of(trunk.cut.trunk), rows.tensors())


def head_inputs(
    model: keras.Model,
    sets: Sequence[tuple[Any, Callable[[Any], Any] | None, Lengths | None]],
) -> list[np.ndarray]:
    """What the last layer of a model, or of its suffix, is given for several sets of examples.

    Args:
        model: The model or the suffix.
        sets: Rows, what prepares a batch of them, and how far they reach; see `predict_rows`.

    Returns:
        float32 `(rows, features)` of each.
    """
    below = below_head(model)
    return [
        np.asarray(predict_rows(below, rows, prepare, _ROWS, lengths), np.float32)
        for rows, prepare, lengths in sets
    ]


def features_below(
    model: keras.Model,
    groups: Sequence[LayerGroup],
    depth: int,
    requests: Sequence[Request],
    *,
    input: Any,
    precision: str,
    memory_budget: int,
    console: Console,
) -> tuple[keras.Model, list[tuple[Any, Lengths | None]]]:
    """The suffix of a model, and the features of several sets of examples that it takes.

    Args:
        model: A model.
        groups: Its layer groups, the head last.
        depth: Number of backbone groups above the cut.
        requests: The sets of examples.
        input: JSON-able description of what the requests are, of `Input.to_dict`.
        precision: The setting `feature_cache`.
        memory_budget: Bytes of features to read into memory.
        console: Hears of the pass.

    Returns:
        The suffix and, for each request, its features and how far they reach.

    Raises:
        CannotCut: There is no trunk to cut off.
        NoRoom: The features do not fit on the disk.
    """
    cut = worthwhile_cut(model, groups, depth)
    key = trunk_key(cut, {"input": input})
    trunk = Trunk(cut, key, precision, {"cut": cut.name})
    fill([trunk], requests, f"features before {cut.name}", console)
    return cut.suffix, [
        (open_rows_of(trunk, one, memory_budget, console), lengths_of(trunk, one))
        for one in requests
    ]
