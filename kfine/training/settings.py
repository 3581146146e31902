"""The training settings that every recipe's Config inherits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kfine.config import absolute_path, setting
from kfine.errors import ConfigError
from kfine.training.adapter_settings import AdapterConfig
from kfine.training.schedule import is_list, read_unfreeze
from kfine.training.unfreezing import check_unfreeze, epochs_of

# Of fewer validation examples the loss differs between epochs by chance alone.
LEAST_TO_CHOOSE = 20
# Of fewer an epoch in the middle of the schedule is called better than its end by chance.
ENOUGH_TO_CHOOSE = 100
# Of more examples, what those that validate would add is not worth a second fit.
SMALL = 300


def _yes_or_no(value: Any) -> Any:
    """Python's spelling of the words; all else as it is."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


@dataclass(frozen=True)
class TrainingConfig(AdapterConfig):
    """Settings of the training loop, common to all recipes."""

    epochs: int = setting(
        12,
        "Passes over the training data, all stages together.",
        group="Training",
        unit="epochs",
        minimum=1,
        maximum=10_000,
    )
    batch_size: int = setting(
        32,
        "Examples per optimizer step.",
        group="Training",
        unit="examples",
        minimum=1,
        maximum=4096,
    )
    accumulate: int | None = setting(
        None,
        "Parts that each batch is computed in, one after the other, with their gradients summed: "
        "the steps stay the same and take as much less memory. The default is one, or as few as "
        "the memory there is takes.",
        group="Training",
        unit="parts",
        minimum=1,
        maximum=4096,
    )
    precision: str = setting(
        "float32",
        "What the backbone computes in while it trains; the weights, the head and the finished "
        "model are float32. mixed_bfloat16 takes less memory, and less time where the processor "
        "knows bfloat16.",
        group="Training",
        choices=("float32", "mixed_bfloat16"),
    )
    min_steps: int = setting(
        1,
        "Least optimizer steps of an epoch: a small data set is passed over as often as that "
        "takes.",
        group="Training",
        unit="steps",
        minimum=1,
        maximum=100_000,
    )
    learning_rate: float = setting(
        0.01,
        "Peak learning rate of the head; where it starts at the probe and trains alone, it "
        "takes a thousandth of it.",
        group="Training",
        minimum=1e-8,
        maximum=10,
    )
    backbone_rate: float | None = setting(
        None,
        "Learning rate of the backbone group nearest the head, as a fraction of the head's: 0.03, "
        "or 0.1 where the inputs are unlike those the backbone knows, as for digits; less in "
        "proportion for more than 12 epochs, so that the backbone moves no farther.",
        group="Training",
        minimum=1e-6,
        maximum=10,
    )
    layerwise_decay: float = setting(
        0.9,
        "Layer-wise learning rate decay: each further group toward the input trains at this "
        "fraction of the rate of the one before.",
        group="Training",
        minimum=0.01,
        maximum=1,
    )
    warmup_epochs: float = setting(
        0.5,
        "Linear warm-up before the cosine decay.",
        group="Training",
        unit="epochs",
        minimum=0,
    )
    head_start: str = setting(
        "probe",
        "Weights that a new head begins with: those of a linear model on the features of the "
        "frozen backbone (probe), or random ones.",
        group="Training",
        choices=("probe", "random"),
    )
    weight_decay: float = setting(
        0.01,
        "Decoupled weight decay (AdamW) of kernels; biases and norms have none.",
        group="Training",
        minimum=0,
        maximum=1,
    )
    start_decay: float = setting(
        0.0,
        "Pull the backbone back to its pretrained weights, in place of weight decay (L2-SP): 10 to "
        "100 keep it near them.",
        group="Training",
        minimum=0,
        maximum=10_000,
    )
    clip_norm: float = setting(
        1.0,
        "Clip gradients to this global norm; 0 does not clip.",
        group="Training",
        minimum=0,
    )
    label_smoothing: float = setting(
        0.1,
        "Share of the target spread evenly over all classes.",
        group="Training",
        unit="fraction",
        minimum=0,
        maximum=0.9,
    )
    ema: float = setting(
        0.0,
        "Momentum of an exponential moving average of the weights, such as 0.99; 0 keeps none.",
        group="Training",
        minimum=0,
        maximum=0.99999,
    )
    early_stopping: int | None = setting(
        None,
        "Stop in the last stage after this many epochs without a better validation loss; "
        "0 never stops. The best weights are restored either way. The default is half of the "
        "epochs, at least 8.",
        group="Training",
        unit="epochs",
        minimum=0,
    )
    tuned_share: float | None = setting(
        None,
        "Share of the tuned weights in the mean with those that training began with, where the "
        "head began at the probe: 1 keeps the tuned ones. The default is chosen on validation, "
        f"and 0.5 where fewer than {LEAST_TO_CHOOSE} examples validate.",
        group="Training",
        unit="fraction",
        minimum=0,
        maximum=1,
    )
    refit: str = setting(
        "auto",
        "Train once more, on the training and the validation examples together, for as many "
        f"epochs as validation chose, or all where fewer than {ENOUGH_TO_CHOOSE} examples chose: "
        f"auto does for {SMALL} examples or fewer.",
        group="Training",
        choices=("auto", "yes", "no"),
        read=_yes_or_no,
    )
    unfreeze: str = setting(
        "auto",
        "Gradual unfreezing: auto, none (head only), all, or a schedule such as 2:1,5:3 "
        "(from epoch 2, counted from 1, the backbone group nearest the head trains, from epoch 5 "
        "three) or 6:block6b (from epoch 6 every group from block6b up); or a YAML file that holds "
        "one, as --dry-run --schedule writes it.",
        group="Freezing",
        read=read_unfreeze,
    )
    batch_norm: str = setting(
        "frozen",
        "BatchNorm layers of unfrozen groups: keep their statistics and weights "
        "(frozen) or train them.",
        group="Freezing",
        choices=("frozen", "train"),
    )
    feature_cache: str = setting(
        "auto",
        "Run the frozen layers once per example and keep what they give: in float16 unless that "
        "is too coarse (auto), as given, or not (none).",
        group="Cache",
        choices=("auto", "float16", "float32", "none"),
    )
    augment_views: int | None = setting(
        None,
        "Augmented views of each example whose features are cached and take turns; 0 varies "
        "every epoch anew, which computes the frozen layers each time. The default chooses by "
        "the time that it saves.",
        group="Cache",
        unit="views",
        minimum=0,
        maximum=1000,
    )
    cache_memory: float = setting(
        1.0,
        "Memory for decoded inputs and cached features; more go through files on disk.",
        group="Cache",
        unit="GB",
        minimum=0,
    )
    validation_split: float = setting(
        0.15,
        "Share of the training examples to validate on where the data has no such split.",
        group="Data",
        unit="fraction",
        minimum=0.01,
        maximum=0.8,
    )
    test_split: float = setting(
        0.15,
        "Share of the examples to test on where the data has no such split.",
        group="Data",
        unit="fraction",
        minimum=0.01,
        maximum=0.8,
    )
    rehearse: str | None = setting(
        None,
        "Other data of the same labels, such as older photos, that the model is to go on knowing: "
        "as many of its training examples as there are own ones train too, and evaluate scores "
        "its test examples.",
        group="Data",
    )
    exclude: str | None = setting(
        None,
        "Clean-list, a .csv as `kfine doctor` writes it, whose examples with the suggestion "
        "exclude are left out; or any table with a column file.",
        group="Data",
    )
    relabel: str | None = setting(
        None,
        "Clean-list whose examples with the suggestion relabel have the label of its column "
        "new_label; may be the same file.",
        group="Data",
    )
    seed: int = setting(
        0,
        "Seed of splits, order, initial head weights, dropout and augmentation.",
        group="Run",
        minimum=0,
        maximum=2**31 - 1,
    )

    def __post_init__(self) -> None:
        # The run holds the stages, and does not need the file again.
        object.__setattr__(self, "unfreeze", read_unfreeze(self.unfreeze))
        check_unfreeze(self.unfreeze, self.epochs)
        self._check_accumulate()
        self.check_adapter(self.unfreeze)
        # A run can be opened from any folder.
        for name in ("rehearse", "exclude", "relabel"):
            if getattr(self, name):
                object.__setattr__(self, name, absolute_path(getattr(self, name)))

    def _check_accumulate(self) -> None:
        if self.accumulate is not None and self.accumulate > self.batch_size:
            more = self.batch_size * self.accumulate
            raise ConfigError(
                "accumulate is the number of parts of a batch, which has batch_size examples: at "
                f"most {self.batch_size}. Received: {self.accumulate}; for steps of {more} "
                f"examples in such parts set batch_size to {more} too."
            )

    @staticmethod
    def derived(given: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that follow from those that were given: the epochs of a list of stages."""
        unfreeze = given.get("unfreeze")
        return {"epochs": epochs_of(unfreeze)} if unfreeze and is_list(unfreeze) else {}

    @property
    def patience(self) -> int:
        """Epochs without a better validation loss after which the last stage ends; 0 for never.

        In proportion to the epochs unless it is set: while the rate of a long schedule is high the
        loss goes up and down, and the weights that are best then are not as good as those that
        come when it has fallen.
        """
        if self.early_stopping is None:
            return max(8, self.epochs // 2)
        return self.early_stopping
