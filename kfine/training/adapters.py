"""Adapters on models that are trained with Keras' own `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfine.adapters.options import AdapterOptions
from kfine.errors import ConfigError
from kfine.training import freezing
from kfine.training.layers import groups_of

if TYPE_CHECKING:
    import keras


def add_adapters(
    model: keras.Model,
    method: str = "lora",
    *,
    rank: int = 8,
    alpha: float | None = None,
    dropout: float = 0.0,
    targets: str | None = None,
    whole_groups: int = 0,
    seed: int = 0,
) -> list[str]:
    """Put adapters on the backbone of a model and freeze all else of it; the head trains.

    The model computes what it did, until its adapters train. `freeze_to` and `GradualUnfreezing`
    then say which groups' adapters train. Compile the model afterwards.

    Args:
        model: A built functional or sequential model, or a KerasHub task, in float32 or a mixed
            policy; any input shape.
        method: `"lora"`, `"rslora"`, `"dora"`, `"ia3"`, `"bitfit"` or `"norms"`.
        rank: Of the low-rank change; at most the smaller side of each kernel is used.
        alpha: The change counts `alpha / rank` times, of rsLoRA `alpha / sqrt(rank)` times; if
            `None`, twice, and of rsLoRA `8 / sqrt(rank)` times.
        dropout: Share, 0 to 1, of the inputs of the low-rank change that training drops.
        targets: `"attention"`, `"mlp"`, `"conv"`, `"embedding"`, `"all"`, or names of layers and
            groups with `*` as a wildcard, with commas between. If `None`, attention and mlp of a
            transformer, the convolutions of other networks, and every layer for `"bitfit"` and
            `"norms"`.
        whole_groups: Groups nearest the head that get no adapters and train as a whole.
        seed: Of the first matrices and the dropout.

    Returns:
        The layers with an adapter as `GROUP/LAYER`, from the input side.

    Raises:
        ConfigError: The model is not built or has adapters, the method is unknown, or a target
            matches no layer.

    Example:

    ```python
    task = keras_hub.models.TextClassifier.from_preset(preset, num_classes=2)
    kfine.add_adapters(task, "lora", rank=8)
    task.compile(keras.optimizers.AdamW(5e-4), task.loss)
    task.fit(train, epochs=3)
    kfine.merge_adapters(task)
    task.save("model.keras")
    ```

    Reference:
        Hu et al., 2021, https://arxiv.org/abs/2106.09685, and the papers named at each method in
        `kfine/adapters/`.
    """
    groups = groups_of(model, "add_adapters")
    options = AdapterOptions(method, rank, alpha, dropout, targets or "", whole_groups)
    if freezing.has_adapters(groups):
        raise ConfigError(
            "add_adapters takes a model without adapters; merge_adapters folds them into its "
            f"weights. Received: {model.name!r}, which has adapters"
        )
    from kfine.adapters.adding import add_to_backbone, reach_of_adapters

    placed = add_to_backbone(groups, options, seed)
    freezing.apply_stage(model, groups, reach_of_adapters(groups))
    return [one.path for one in placed]


def merge_adapters(model: keras.Model) -> None:
    """Fold the adapters of `add_adapters` into the weights that they were put on.

    The model gives the same as before, to rounding, has the layers that it had without adapters,
    and is saved and exported as any other. Nothing of it is frozen any more; compile it again
    before it trains on.

    Args:
        model: A model that `add_adapters` was given.

    Raises:
        ConfigError: It has no adapters of kfine.
    """
    groups = groups_of(model, "merge_adapters")
    from kfine.adapters.attaching import adapted_layers, fold_adapters

    if not adapted_layers([model]):
        raise ConfigError(
            f"merge_adapters takes a model with adapters, as add_adapters makes it. Received: "
            f"{model.name!r}"
        )
    fold_adapters([model])
    for group in groups:
        freezing.unfreeze(group, batch_norm="train")
    # The compiled steps have the adapters in them.
    model.train_function = model.test_function = model.predict_function = None
