"""The feature cache for anybody's `model.fit`: frozen layers run once per example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kfine.console import Console
from kfine.errors import ConfigError

if TYPE_CHECKING:
    import keras

PRECISIONS = ("auto", "float16", "float32")


class CachedFeatures(NamedTuple):
    """The part of a model that trains, and what the frozen part gives it.

    Attributes:
        model: From features to the model's outputs. It shares its layers with the whole model,
            so what it learns is learned there too. Not compiled.
        features: For each set of inputs, arrays `(examples, ...)` in the structure that `model`
            takes; of a dataset with targets the tuple `(features, targets)` or
            `(features, targets, sample_weights)`, as `fit(*...)` and `validation_data` take it.
    """

    model: keras.Model
    features: list[Any]


def cached_features(
    model: keras.Model,
    *inputs: Any,
    precision: str = "auto",
    console: Console | None = None,
) -> CachedFeatures:
    """Run the frozen layers of a model once for each example, and keep what they give.

    The model is cut below the lowest layer group that trains, see `kfine.layer_groups`, where the
    fewest bytes cross. Features lie in the same cache on disk as those of `kfine fit`, found by
    the content of the example and the weights and settings of the frozen layers: examples that
    were computed before, by any program, are read.

    Freeze first, with `kfine.freeze`, `kfine.freeze_to` or `layer.trainable = False`. Frozen
    layers run in inference mode, dropout included. Inputs are taken as they are; what is augmented
    anew in every epoch has no features to keep.

    Args:
        model: A built functional or sequential model, or a KerasHub task, whose layers near the
            input are frozen.
        *inputs: Sets of examples, such as those to train and to validate on: arrays
            `(examples, ...)`, or dicts or tuples of them as the model takes them; or a batched
            `tf.data.Dataset` as `fit` takes it, which ends, with targets or without. A dataset is
            read once, through a file beside the cache, and its examples keep the order of
            that time: shuffle afterwards, as `fit` does with arrays.
        precision: What activations are stored in: `"float16"`, `"float32"`, or `"auto"` for
            float16 unless that is too coarse.
        console: Hears of the pass; standard error if omitted.

    Returns:
        The model above the cut and the features of each set, in memory.

    Raises:
        ConfigError: The model is not built, is no graph of layers, has nothing frozen below what
            trains, or the inputs do not belong together or to the model.
        RunError: The disk cannot be written.

    Example:

    ```python
    kfine.freeze(task.backbone)
    head, (train, validation) = kfine.cached_features(task, train_images, validation_images)
    head.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    head.fit(train, train_labels, validation_data=(validation, validation_labels), epochs=30)
    task.predict(test_images)  # with the weights that `head` has learned

    head, (train,) = kfine.cached_features(task, dataset)  # of batches (images, labels)
    head.fit(*train, epochs=30)
    ```
    """
    import keras
    import numpy as np

    from kfine.data.reading import read_set
    from kfine.models.cutting import CannotCut
    from kfine.training.frozen import features_below, request_for
    from kfine.training.layers import groups_of
    from kfine.training.trunk_pass import NoRoom

    if precision not in PRECISIONS:
        raise ConfigError(
            f"precision must be one of {', '.join(PRECISIONS)}. Received: {precision!r}"
        )
    groups = groups_of(model, "cached_features")
    if not inputs:
        raise ConfigError("cached_features needs the inputs of examples. Received: none")
    sets = [read_set(one) for one in inputs]
    for rows, _ in sets:
        _check_rows(rows, model)
    requests = [request_for(rows, None) for rows, _ in sets]
    training = [any(layer.trainable_weights for layer in group.layers) for group in groups]
    if not any(training):
        raise ConfigError(
            "cached_features needs a layer group that trains, and all are frozen. Received: "
            f"{model.name!r} with {', '.join(group.name for group in groups)}"
        )
    depth = len(groups) - 1 - training.index(True)
    try:
        suffix, found = features_below(
            model,
            groups,
            depth,
            requests,
            input={"kind": "arrays"},
            precision=precision,
            memory_budget=0,
            console=console or Console(),
        )
    except (CannotCut, NoRoom) as reason:
        raise ConfigError(
            f"{model.name!r} has no frozen part whose features could be kept: {reason}."
        ) from None
    features = [
        keras.tree.map_structure(lambda part: part[np.arange(len(part))], rows) for rows, _ in found
    ]
    return CachedFeatures(
        suffix,
        [
            (one, *targets) if targets else one
            for one, (_, targets) in zip(features, sets, strict=True)
        ],
    )


def _check_rows(rows: Any, model: keras.Model) -> None:
    import keras

    flat = keras.tree.flatten(rows)
    sizes = {len(part) if part.ndim else 0 for part in flat}
    if len(sizes) != 1 or not min(sizes):
        raise ConfigError(
            "The inputs of cached_features are arrays of one or more examples, as many in "
            f"each. Received: {_shapes(flat)}"
        )
    # A model of its own call has none, and is refused when it is to be cut.
    taken = getattr(model, "inputs", None)
    if taken and not (len(taken) == len(flat) and all(map(_fits, flat, taken))):
        raise ConfigError(
            f"{model.name!r} takes batches of {_shapes(taken)}. Received: {_shapes(flat)}"
        )


def _fits(rows: Any, taken: Any) -> bool:
    return len(rows.shape) == len(taken.shape) and all(
        size in (None, given) for given, size in zip(rows.shape[1:], taken.shape[1:], strict=True)
    )


def _shapes(parts: Any) -> str:
    return ", ".join(str(tuple(part.shape)) for part in parts)
