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
            takes.
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
            `(examples, ...)`, or dicts or tuples of them as the model takes them.
        precision: What activations are stored in: `"float16"`, `"float32"`, or `"auto"` for
            float16 unless that is too coarse.
        console: Hears of the pass; standard error if omitted.

    Returns:
        The model above the cut and the features of each set, in memory.

    Raises:
        ConfigError: The model is not built, is no graph of layers, has nothing frozen below what
            trains, or the inputs do not belong together.

    Example:

    ```python
    kfine.freeze(task.backbone)
    head, (train, validation) = kfine.cached_features(task, train_images, validation_images)
    head.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    head.fit(train, train_labels, validation_data=(validation, validation_labels), epochs=30)
    task.predict(test_images)  # with the weights that `head` has learned
    ```
    """
    import keras
    import numpy as np

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
    requests = []
    for one in inputs:
        rows = keras.tree.map_structure(np.asarray, one)
        sizes = {len(part) if part.ndim else 0 for part in keras.tree.flatten(rows)}
        if len(sizes) != 1 or not min(sizes):
            raise ConfigError(
                "The inputs of cached_features are arrays of one or more examples, as many in "
                f"each. Received: {_shapes(rows)}"
            )
        requests.append(request_for(rows, None))
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
    return CachedFeatures(suffix, features)


def _shapes(rows: Any) -> str:
    import keras

    return ", ".join(str(part.shape) for part in keras.tree.flatten(rows))
