"""Freezing that holds: no gradient, no statistics, no dropout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kfine.models.groups import LayerGroup, is_batch_norm

if TYPE_CHECKING:
    import keras


def freeze(group: LayerGroup) -> None:
    """Stop a group from changing in any way: its layers also run in inference mode.

    `trainable=False` alone keeps the dropout and stochastic depth of a layer firing during
    training, so that a frozen trunk would give other features at every step.
    """
    for layer in group.layers:
        layer.trainable = False
    for layer in _flatten(group.layers):
        _pin_inference_mode(layer)


def unfreeze(group: LayerGroup, *, batch_norm: str = "frozen") -> None:
    """Let a group train.

    Args:
        group: The layers to train.
        batch_norm: `"frozen"` keeps BatchNorm layers, also those inside composite blocks, in
            inference mode with their weights fixed; `"train"` trains them.
    """
    for layer in group.layers:
        layer.trainable = True
    for layer in _flatten(group.layers):
        _release_inference_mode(layer)
        if batch_norm == "frozen" and is_batch_norm(layer):
            layer.trainable = False


def apply_stage(
    model: keras.Model, groups: Sequence[LayerGroup], depth: int, *, batch_norm: str = "frozen"
) -> None:
    """Make `depth` backbone groups and the head train, and freeze the rest.

    Works before and during `fit`. The optimizer must have been built on every variable that any
    stage trains (see `build_optimizer_for`), since Keras refuses variables it learns of later.

    Args:
        model: The model that the groups belong to.
        groups: From `layer_groups(model)`, the head last.
        depth: Number of backbone groups that train, counted from the head.
        batch_norm: As in `unfreeze`.
    """
    # A container that is frozen itself would hide the variables of the layers inside it.
    model.trainable = True
    first = len(groups) - 1 - depth
    for group in groups[:first]:
        freeze(group)
    for group in groups[first:]:
        unfreeze(group, batch_norm=batch_norm)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and hasattr(optimizer, "start_groups"):
        optimizer.start_groups([group.name for group in groups[first:]])
    if getattr(model, "compiled", False):
        # The compiled step has the old set of variables in it and would go on training that.
        model.make_train_function(force=True)


def build_optimizer_for(
    model: keras.Model,
    groups: Sequence[LayerGroup],
    depth: int,
    *,
    batch_norm: str = "frozen",
) -> None:
    """Build the optimizer of a compiled model on all variables that train at `depth`.

    Leaves the model in the state of that depth. Frozen-for-ever variables get no moments.
    """
    apply_stage(model, groups, depth, batch_norm=batch_norm)
    model.optimizer.build(model.trainable_variables)


def release(model: keras.Model) -> None:
    """Undo the inference mode of every layer, for a model that leaves kfine's hands."""
    for layer in model._flatten_layers():
        _release_inference_mode(layer)


def _flatten(layers: Iterable[Any]) -> list[Any]:
    return [inner for layer in layers for inner in layer._flatten_layers()]


def _pin_inference_mode(layer: Any) -> None:
    if not layer._call_has_training_arg or "call" in vars(layer):
        return
    call = layer.call

    def call_in_inference_mode(*arguments: Any, **options: Any) -> Any:
        options["training"] = False
        return call(*arguments, **options)

    # An instance attribute reaches every kind of layer; a rate set to zero would reach only
    # those that have one.
    layer.call = call_in_inference_mode


def _release_inference_mode(layer: Any) -> None:
    if "call" in vars(layer):
        del layer.call
