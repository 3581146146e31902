"""A callback that unfreezes layer groups step by step in anybody's `model.fit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from kfine.errors import ConfigError
from kfine.keras_private import trained_by
from kfine.models.groups import LayerGroup, layer_groups
from kfine.training.freezing import apply_stage, build_optimizer_for
from kfine.training.schedule import entries_of, is_list, read_unfreeze
from kfine.training.unfreezing import plan_stages, stage_at


class GradualUnfreezing(keras.callbacks.Callback):
    """Unfreeze a compiled model from the head toward the input while it trains.

    What is frozen in an epoch follows from the schedule and the epoch alone, so training that
    is continued with `initial_epoch` is right too. Frozen layers run in inference mode, dropout
    included. The optimizer keeps its state through the stages. After `fit` the model stays in
    the state of the last stage.

    Args:
        unfreeze: `"auto"`, `"none"` (head only), `"all"`, or a schedule such as `"2:1,5:3"`:
            from epoch 2, counted from 1, the group nearest the head trains, from epoch 5 three.
            Or the file of a schedule, or the list that it holds, as `kfine.dry_run` gives it, but
            without `learning_rate` and `group_rates`: the rates are the optimizer's.
        groups: Layer groups from the input side, the head last; `layer_groups(model)` if omitted.
        batch_norm: `"frozen"` keeps BatchNorm of unfrozen groups as it is; `"train"` trains it.

    Raises:
        ConfigError: The schedule does not fit the model or the number of epochs, cannot be read,
            or gives learning rates.
        ValueError: The optimizer was already built on fewer variables than the stages train.

    Example:

    ```python
    task = keras_hub.models.ImageClassifier.from_preset(preset, num_classes=6)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    task.compile("adamw", loss, metrics=["accuracy"])
    task.fit(train, epochs=8, callbacks=[GradualUnfreezing("2:1,5:3")])
    ```

    Reference:
        Howard and Ruder 2018, https://arxiv.org/abs/1801.06146 (section 3.3). It departs from
        the paper in that BatchNorm stays frozen and several groups may be unfrozen at once.
    """

    def __init__(
        self,
        unfreeze: str | Path | Sequence[Mapping[str, Any]] = "auto",
        groups: Sequence[LayerGroup] | None = None,
        batch_norm: str = "frozen",
    ) -> None:
        super().__init__()
        self.unfreeze: str = read_unfreeze(unfreeze)
        _check_no_rates(self.unfreeze)
        self.groups = groups
        self.batch_norm = batch_norm
        self.current: int | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Plan the stages and build the optimizer on all that they train."""
        groups = self.groups = self.groups or layer_groups(self.model)
        names = [group.name for group in groups[:-1]]
        self.stages = plan_stages(self.unfreeze, self.params["epochs"], names)
        self.current = None
        deepest = self.stages[-1].depth
        if not self.model.optimizer.built:
            build_optimizer_for(self.model, groups, deepest, batch_norm=self.batch_norm)
            return
        apply_stage(self.model, groups, deepest, batch_norm=self.batch_norm)
        known = {variable.path for variable in trained_by(self.model.optimizer)}
        missing = [v.path for v in self.model.trainable_variables if v.path not in known]
        if missing:
            raise ValueError(
                "GradualUnfreezing needs an optimizer that is not built yet, or built on every "
                f"variable that some stage trains. Received: an optimizer without {missing[0]} "
                f"and {len(missing) - 1} others; compile the model again before fit."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Freeze and unfreeze what the schedule says for this epoch."""
        depth = stage_at(self.stages, epoch).depth
        if depth != self.current:
            assert self.groups is not None
            apply_stage(self.model, self.groups, depth, batch_norm=self.batch_norm)
            self.current = depth


def _check_no_rates(unfreeze: str) -> None:
    for entry in entries_of(unfreeze) if is_list(unfreeze) else ():
        if entry.learning_rate is not None or entry.group_rates:
            raise ConfigError(
                "GradualUnfreezing leaves learning rates to the optimizer; take learning_rate and "
                f"group_rates out of the schedule. Received: {entry.to_dict()}"
            )
