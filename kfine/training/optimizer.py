"""AdamW that knows layer groups: a rate per group, and a fresh start for each unfreezing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kfine.models.groups import LayerGroup
from kfine.training.settings import TrainingConfig
from kfine.training.unfreezing import Stage


@keras.saving.register_keras_serializable("kfine")
class StagedAdamW(keras.optimizers.AdamW):
    """AdamW with discriminative learning rates and gradual unfreezing in mind.

    The learning rate and the weight decay of a variable are multiplied by the factor of its
    layer group (Howard and Ruder 2018, https://arxiv.org/abs/1801.06146). When a group begins
    to train late, its bias correction (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980)
    counts steps from there: otherwise its first step would be several times the learning rate,
    because the correction of its zero moments has worn off.

    Args:
        learning_rate: Rate or schedule of the groups with factor 1.
        **options: As in `keras.optimizers.AdamW`.
    """

    def __init__(self, learning_rate: Any = 1e-3, **options: Any) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self._group_names: list[str] = []
        self._group_of: dict[str, int] = {}
        self._training: set[str] = set()
        self._starts: dict[str, Any] = {}
        self._multiples: dict[str, float] = {}
        self.start_decay = 0.0

    def set_groups(self, groups: Sequence[LayerGroup], factors: Sequence[float]) -> None:
        """Name the groups and their factors; call before the optimizer is built."""
        self._group_names = [group.name for group in groups]
        self._group_of = {
            self._var_key(variable): index
            for index, group in enumerate(groups)
            for variable in group.weights
        }
        self._factors = self.add_variable((len(factors),), dtype="float32", name="group_factors")
        self._offsets = self.add_variable((len(factors),), dtype="float32", name="group_offsets")
        self.set_factors(factors)

    def pull_back(self, groups: Sequence[LayerGroup], decay: float) -> None:
        """Let the weights of some groups decay toward what they are now, instead of toward zero.

        L2-SP (Li et al., 2018, https://arxiv.org/abs/1802.01483), decoupled as weight decay is:
        each step takes the learning rate of the group times `decay` off the way that they went.

        Args:
            groups: Those that are pretrained.
            decay: 0 leaves them alone.
        """
        self.start_decay = decay
        chosen = [variable for group in groups for variable in group.weights] if decay else []
        self._starts = {self._var_key(one): ops.copy(one.value) for one in chosen}

    def set_multiple(self, variables: Sequence[Any], multiple: float) -> None:
        """Train some variables at a multiple of the rate of their group."""
        self._multiples.update({self._var_key(one): multiple for one in variables})

    def set_factors(self, factors: Sequence[float]) -> None:
        """Give the groups other factors from now on, in the order of `set_groups`."""
        self._factors.assign(factors)

    @property
    def head_rate(self) -> float:
        """The learning rate of the last group, the head, in the next step."""
        return float(ops.convert_to_numpy(self.learning_rate * self._factors[-1]))

    def start_groups(self, names: Sequence[str]) -> None:
        """Say which groups train from now on; those that did not before start afresh."""
        if not self._group_names:
            return
        offsets = ops.convert_to_numpy(self._offsets).copy()
        for name in set(names) - self._training:
            offsets[self._group_names.index(name)] = float(self.iterations)
        self._offsets.assign(offsets)
        self._training = set(names)

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """One step, as Keras makes it, from gradients of tables that are as large as the tables.

        The gradient of an embedding has a slice for each time that a row was looked up. Keras
        clips by the norm of the slices, which is not that of their sums.
        """
        import tensorflow as tf

        whole = [tf.convert_to_tensor(one) if _is_slices(one) else one for one in grads]
        super().apply(whole, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One Adam step, its rate scaled by the group's factor and own bias correction."""
        index = self._group_of.get(self._var_key(variable))
        if index is not None:
            step = ops.cast(self.iterations + 1, "float32")
            local_step = step - self._offsets[index]
            correction = self._bias_correction(local_step) / self._bias_correction(step)
            learning_rate = learning_rate * self._factors[index] * correction
        learning_rate = learning_rate * self._multiples.get(self._var_key(variable), 1.0)
        super().update_step(gradient, variable, learning_rate)

    def _bias_correction(self, step: Any) -> Any:
        return ops.sqrt(1 - ops.power(self.beta_2, step)) / (1 - ops.power(self.beta_1, step))

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        for variable in variables:
            key = self._var_key(variable)
            start = self._starts.get(key)
            decay = self.weight_decay if start is None else self.start_decay
            if not decay or (start is None and not self._use_weight_decay(variable)):
                continue
            index = self._group_of.get(key)
            factor = 1.0 if index is None else self._factors[index]
            factor = factor * self._multiples.get(key, 1.0)
            rate = ops.cast(self.learning_rate * factor * decay, variable.dtype)
            self.assign_sub(variable, (variable if start is None else variable - start) * rate)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Leave the weights as they are: averages are swapped in by whoever wants them.

        Keras would overwrite the weights with their averages at the end of each `fit`, so also
        between two stages.
        """


def _is_slices(gradient: Any) -> bool:
    import tensorflow as tf

    return isinstance(gradient, tf.IndexedSlices)


def group_factors(groups: int, backbone_rate: float, layerwise_decay: float) -> list[float]:
    """Factors of all groups: 1 for the head, which is last, and falling toward the input."""
    distances = range(groups - 2, -1, -1)
    return [*(backbone_rate * layerwise_decay**distance for distance in distances), 1.0]


def factors_of_config(groups: int, config: TrainingConfig) -> list[float]:
    """The factors that some settings mean: those of groups with adapters are alike."""
    assert config.backbone_rate is not None, "a recipe's resolve chooses it"
    whole = group_factors(groups, config.backbone_rate, config.layerwise_decay)
    if config.adapter_options is None:
        return whole
    adapted = max(0, groups - 1 - config.adapter_whole_groups)
    return [*(config.rate_of_adapters for _ in range(adapted)), *whole[adapted:]]


def stage_factors(names: Sequence[str], stage: Stage, config: TrainingConfig) -> list[float]:
    """Factors of all groups in a stage: the usual ones, but for the rates that it gives.

    Args:
        names: Of all groups, the head last.
        stage: The stage.
        config: The rates that the factors are of, and the usual factors.
    """
    usual = factors_of_config(len(names), config)
    peak = config.learning_rate
    head = 1.0 if stage.learning_rate is None else stage.learning_rate / peak
    return [
        stage.group_rates[name] / peak if name in stage.group_rates else factor * head
        for name, factor in zip(names, usual, strict=True)
    ]


def make_optimizer(
    groups: Sequence[LayerGroup],
    *,
    learning_rate: float,
    total_steps: int,
    warmup_steps: int,
    factors: Sequence[float],
    weight_decay: float,
    start_decay: float,
    clip_norm: float,
    ema: float,
) -> StagedAdamW:
    """The optimizer of a run: linear warm-up, cosine decay to zero, a factor per layer group.

    Args:
        groups: All layer groups of the model, the head last.
        learning_rate: Peak rate of the head.
        total_steps: Steps of all stages together.
        warmup_steps: Steps of the warm-up, inclusive in `total_steps`.
        factors: Of the learning rate, of each group.
        weight_decay: Decoupled decay of kernels; biases, normalisation weights and what begins at
            one have none.
        start_decay: As in `StagedAdamW.pull_back`, of all groups but the head; their weights decay
            toward zero if 0.
        clip_norm: Global norm to clip gradients to; 0 does not clip.
        ema: Momentum of averaged weights; 0 keeps none.
    """
    warmup_steps = min(warmup_steps, total_steps - 1)
    schedule: Any = keras.optimizers.schedules.CosineDecay(
        # Not zero: a run of one step per epoch would spend its first stage without moving.
        learning_rate / max(1, warmup_steps),
        decay_steps=max(1, total_steps - warmup_steps),
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    optimizer = StagedAdamW(
        schedule,
        weight_decay=weight_decay,
        global_clipnorm=clip_norm or None,
        use_ema=ema > 0,
        ema_momentum=ema or 0.99,
    )
    optimizer.exclude_from_weight_decay(
        var_names=["bias", "gamma", "beta", "embedding", "dora_lengths", "ia3_factors"]
    )
    optimizer.set_groups(groups, factors)
    optimizer.pull_back(groups[:-1], start_decay)
    return optimizer
