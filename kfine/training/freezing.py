"""Freezing that holds: no gradient, no statistics, no dropout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kfine.adapters.attaching import adapter_variables
from kfine.keras_private import flattened, made_to_train, takes_training
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


def unfreeze(group: LayerGroup, *, batch_norm: str = "frozen", adapters: bool = False) -> None:
    """Let a group train.

    Args:
        group: The layers to train.
        batch_norm: `"frozen"` keeps BatchNorm layers, also those inside composite blocks, in
            inference mode with their weights fixed; `"train"` trains them.
        adapters: Train nothing but adapters, see `trains`; BatchNorm keeps its statistics.
    """
    chosen = {id(one) for one in _of_group(group, batch_norm, adapters)}
    for layer in group.layers:
        layer.trainable = True
    for layer in _flatten(group.layers):
        _release_inference_mode(layer)
        if is_batch_norm(layer) and (adapters or batch_norm == "frozen"):
            # Where its scale and shift are what trains, it is in inference mode all the same.
            layer.trainable = adapters and bool(adapter_variables(layer))
            if layer.trainable:
                _pin_inference_mode(layer)
        for variable in made_to_train(layer):
            # `layer.trainable = True` has just set free what `enable_lora` had frozen.
            variable.trainable = id(variable) in chosen


def trains(groups: Sequence[LayerGroup], depth: int, *, batch_norm: str = "frozen") -> list[Any]:
    """The variables that train in a stage, whatever trains now.

    Where a backbone has adapters, of `kfine.add_adapters` or of Keras' own `enable_lora`, of the
    backbone nothing else trains: the weights that they were put on stay as they were pretrained
    (Hu et al., 2021, https://arxiv.org/abs/2106.09685). The head trains as a whole.

    Args:
        groups: From `layer_groups(model)`, the head last.
        depth: Number of backbone groups that train, counted from the head.
        batch_norm: As in `unfreeze`.
    """
    adapters = has_adapters(groups)
    *backbone, head = groups[len(groups) - 1 - depth :]
    return [
        *(one for group in backbone for one in _of_group(group, batch_norm, adapters)),
        *_of_group(head, batch_norm, False),
    ]


def changes(groups: Sequence[LayerGroup], depth: int, *, batch_norm: str = "frozen") -> list[Any]:
    """The variables that a stage may change: those that train, and statistics that move along."""
    chosen = {id(one) for one in trains(groups, depth, batch_norm=batch_norm)}
    adapters = has_adapters(groups)
    found = []
    for group in groups[len(groups) - 1 - depth :]:
        fixed = batch_norm == "frozen" or (adapters and group is not groups[-1])
        still = {
            id(variable)
            for layer in _flatten(group.layers)
            for variable in (
                layer.weights if fixed and is_batch_norm(layer) else made_to_train(layer)
            )
        }
        found += [one for one in group.weights if id(one) in chosen or id(one) not in still]
    return found


def has_adapters(groups: Sequence[LayerGroup]) -> bool:
    """Whether a layer of the backbone has an adapter."""
    return any(
        adapter_variables(layer) for group in groups[:-1] for layer in _flatten(group.layers)
    )


def _of_group(group: LayerGroup, batch_norm: str, adapters: bool) -> list[Any]:
    layers = _flatten(group.layers)
    if adapters:
        return [variable for layer in layers for variable in adapter_variables(layer)]
    return [
        variable
        for layer in layers
        if not (batch_norm == "frozen" and is_batch_norm(layer))
        for variable in made_to_train(layer)
    ]


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
    adapters = has_adapters(groups)
    for group in groups[:first]:
        freeze(group)
    for group in groups[first:]:
        unfreeze(group, batch_norm=batch_norm, adapters=adapters and group is not groups[-1])
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
    for layer in flattened(model):
        _release_inference_mode(layer)


def _flatten(layers: Iterable[Any]) -> list[Any]:
    return [inner for layer in layers for inner in flattened(layer)]


def _pin_inference_mode(layer: Any) -> None:
    own = vars(layer).get("call")
    if not takes_training(layer) or hasattr(own, "instead_of"):
        return
    call = layer.call

    def call_in_inference_mode(*arguments: Any, **options: Any) -> Any:
        options["training"] = False
        return call(*arguments, **options)

    # A layer may have a call of its own already, such as one that computes it again.
    call_in_inference_mode.instead_of = own  # type: ignore[attr-defined]
    # An instance attribute reaches every kind of layer; a rate set to zero would reach only
    # those that have one.
    layer.call = call_in_inference_mode


def _release_inference_mode(layer: Any) -> None:
    own = vars(layer).get("call")
    if not hasattr(own, "instead_of"):
        return
    del layer.call
    if own.instead_of is not None:
        layer.call = own.instead_of
