"""What the frozen part of a model gives for a set of examples: from the cache, or into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kfine.console import Console
from kfine.data.row_cache import DamagedRows, row_identities
from kfine.models.cutting import CannotCut, cut_model
from kfine.models.groups import LayerGroup
from kfine.training.trunk import Trunk
from kfine.training.trunk_key import trunk_key
from kfine.training.trunk_pass import NoRoom, Request, fill


def request_for(inputs: Any, prepare: Callable[[Any], Any] | None) -> Request:
    """All examples of some rows, as they are.

    Args:
        inputs: Rows of raw inputs, or a structure of them.
        prepare: From a batch of them to the model's input.
    """
    flat = keras.tree.flatten(inputs)
    return Request(inputs, np.arange(flat[0].shape[0]), row_identities(flat), prepare)


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
    return keras.tree.pack_sequence_as(trunk.cut.trunk._outputs_struct, rows.tensors())


def frozen_features(
    model: keras.Model,
    groups: Sequence[LayerGroup],
    depth: int,
    requests: Sequence[Request],
    *,
    preprocessing: Any,
    precision: str,
    memory_budget: int,
    console: Console,
) -> tuple[keras.Model, list[Any]] | None:
    """The suffix of a model, and the features of several sets of examples that it takes.

    Args:
        model: A model.
        groups: Its layer groups, the head last.
        depth: Number of backbone groups above the cut.
        requests: The sets of examples.
        preprocessing: JSON-able description of what `prepare` of the requests does.
        precision: The setting `feature_cache`.
        memory_budget: Bytes of features to read into memory.
        console: Hears of the pass.

    Returns:
        The suffix and, for each request, its features; `None` where there is no trunk to cut
        off, no room for the features, or the cache is not wanted.
    """
    if precision == "none":
        return None
    try:
        cut = cut_model(model, groups, depth)
        key = trunk_key(cut, {"preprocessing": preprocessing})
        trunk = Trunk(cut, key, precision, {"cut": cut.name})
        fill([trunk], requests, f"features before {cut.name}", console)
    except (CannotCut, NoRoom):
        return None
    return cut.suffix, [open_rows_of(trunk, one, memory_budget, console) for one in requests]
