"""Freezing, unfreezing and learning rates for models that are trained with Keras' own `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfine.adapters.attaching import adapted_layers
from kfine.config import nearest
from kfine.errors import ConfigError
from kfine.models.groups import LayerGroup, layer_groups
from kfine.training import freezing

if TYPE_CHECKING:
    import keras

    from kfine.training.optimizer import StagedAdamW

BATCH_NORM = ("frozen", "train")


def freeze(model_or_layer: keras.Model | keras.Layer) -> None:
    """Stop a model or a layer from changing in any way.

    Its weights and BatchNorm statistics stay as they are, and it runs in inference mode:
    `trainable=False` alone keeps dropout and stochastic depth firing during training.
    `unfreeze` undoes that. Inference mode belongs to this object; a model that is saved and loaded
    again comes back without it, so freeze it again.

    A compiled model that is given itself need not be compiled again. The model around a layer
    has to be, since the step that Keras compiled goes on training what it trained before.

    Args:
        model_or_layer: What to freeze, with everything inside it; any shape, built or not.

    Raises:
        ConfigError: The argument is no Keras model or layer.

    Example:

    ```python
    task = keras_hub.models.ImageClassifier.from_preset(preset, num_classes=6)
    kfine.freeze(task.backbone)
    task.compile("adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    task.fit(train, epochs=3)
    ```

    Reference:
        https://keras.io/guides/transfer_learning/, which asks for `training=False` in the call
        of a frozen base model; here the layer remembers that itself.
    """
    freezing.freeze(_group_around(model_or_layer, "freeze"))
    _renew_step(model_or_layer)


def unfreeze(model_or_layer: keras.Model | keras.Layer, batch_norm: str = "frozen") -> None:
    """Let a model or a layer train again, its dropout too.

    A layer inside a model that is itself frozen stays frozen; unfreeze the model, or use
    `freeze_to`. Compile the model before the next `fit` where layers train that did not when
    its optimizer was built: Keras refuses variables that an optimizer learns of later.

    Args:
        model_or_layer: What to train, with everything inside it; built, of any shape.
        batch_norm: `"frozen"` keeps BatchNorm layers, also those inside composite blocks, in
            inference mode with their weights fixed; `"train"` trains them.

    Raises:
        ConfigError: The argument is no built Keras model or layer, or has adapters of
            `kfine.add_adapters`, or `batch_norm` is another word.

    Example:

    ```python
    kfine.unfreeze(task.backbone)
    task.compile(keras.optimizers.AdamW(1e-5), task.loss)
    task.fit(train, epochs=3)
    ```
    """
    _check_batch_norm(batch_norm)
    group = _group_around(model_or_layer, "unfreeze")
    # BatchNorm is known by its statistics, and those come with the first call.
    _check_built(model_or_layer, "unfreeze")
    if adapted_layers([model_or_layer]):
        raise ConfigError(
            "unfreeze would train what adapters were put on; freeze_to says which groups' adapters "
            f"train, and merge_adapters folds them in. Received: {model_or_layer.name!r}"
        )
    freezing.unfreeze(group, batch_norm=batch_norm)
    _renew_step(model_or_layer)


def freeze_to(model: keras.Model, group_name: str, batch_norm: str = "frozen") -> None:
    """Freeze a model from its input up to a layer group; the group and all above it train.

    The groups are those of a schedule such as `"6:block6b"`: `block6b` is the lowest that trains.
    `"head"` trains the head alone, and the name of the first group trains everything.

    A compiled model need not be compiled again, except where groups train that did not when its
    optimizer was built.

    Args:
        model: A built functional or sequential model, or a KerasHub task; any input shape.
        group_name: Name of a layer group, as `kfine.layer_groups(model)` has them.
        batch_norm: As in `unfreeze`, of the groups that train.

    Raises:
        ConfigError: The model has no such group, or is not built.

    Example:

    ```python
    task = keras_hub.models.ImageClassifier.from_preset(preset, num_classes=6)
    kfine.freeze_to(task, "block6b")
    task.compile("adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    task.fit(train, epochs=3)
    ```
    """
    _check_batch_norm(batch_norm)
    groups = groups_of(model, "freeze_to")
    names = [group.name for group in groups]
    if group_name not in names:
        raise ConfigError(
            f"The model has no layer group {group_name!r}; {nearest(group_name, names)}."
        )
    depth = len(names) - 1 - names.index(group_name)
    freezing.apply_stage(model, groups, depth, batch_norm=batch_norm)


def layerwise_adamw(
    model: keras.Model,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    *,
    backbone_rate: float = 0.1,
    layerwise_decay: float = 0.9,
    **options: Any,
) -> StagedAdamW:
    """An AdamW whose learning rate falls from the head toward the input.

    The head trains at `learning_rate`, the group nearest to it at
    `learning_rate * backbone_rate`, and each further group at the rate of the one before times
    `layerwise_decay`. The factors apply to the weight decay too. Together with
    `GradualUnfreezing` the bias correction of a group counts from the step that unfreezes it.

    Args:
        model: The built model that will be compiled with it.
        learning_rate: Rate of the head, or a schedule of it over steps.
        backbone_rate: Factor of the backbone group nearest the head, above 0.
        layerwise_decay: Factor of each further group, above 0.
        **options: As in `keras.optimizers.AdamW`, such as `weight_decay`.

    Returns:
        An optimizer for this model alone, not built yet.

    Raises:
        ConfigError: The model is not built, or a factor is not above 0.

    Example:

    ```python
    task.compile(kfine.layerwise_adamw(task, 1e-3, backbone_rate=0.1), task.loss)
    task.fit(train, epochs=8, callbacks=[kfine.GradualUnfreezing("2:1,5:3")])
    ```

    Reference:
        Howard and Ruder 2018, https://arxiv.org/abs/1801.06146 (section 3.2), who divide by 2.6
        from layer to layer; here the factor is per layer group, and the head has a step of its own.
    """
    for name, factor in (("backbone_rate", backbone_rate), ("layerwise_decay", layerwise_decay)):
        if not factor > 0:
            raise ConfigError(f"{name} must be above 0. Received: {factor!r}")
    groups = groups_of(model, "layerwise_adamw")
    from kfine.training.optimizer import StagedAdamW, group_factors

    optimizer = StagedAdamW(learning_rate, **options)
    optimizer.set_groups(groups, group_factors(len(groups), backbone_rate, layerwise_decay))
    return optimizer


def _group_around(thing: Any, verb: str) -> LayerGroup:
    import keras

    if not isinstance(thing, keras.Layer):
        raise ConfigError(f"{verb} takes a Keras model or layer. Received: {thing!r}")
    return LayerGroup(thing.name, (thing,))


def groups_of(model: Any, verb: str) -> list[LayerGroup]:
    """The layer groups of a built model.

    Args:
        model: Anything.
        verb: The function that was called with it, for the error.

    Raises:
        ConfigError: It is no Keras model, or is not built.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise ConfigError(f"{verb} takes a Keras model. Received: {model!r}")
    _check_built(model, verb)
    return layer_groups(model)


def _check_built(layer: Any, verb: str) -> None:
    if not layer.built:
        raise ConfigError(
            f"{verb} needs weights, and {layer.name!r} has none yet; give it an input shape or "
            "call it once."
        )


def _check_batch_norm(batch_norm: str) -> None:
    if batch_norm not in BATCH_NORM:
        raise ConfigError(
            f"batch_norm must be one of {', '.join(BATCH_NORM)}. Received: {batch_norm!r}"
        )


def _renew_step(model_or_layer: Any) -> None:
    """Make a compiled model compile its training step anew, from the state it has now."""
    if getattr(model_or_layer, "compiled", False):
        model_or_layer.make_train_function(force=True)
