"""The settings that every recipe for texts inherits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kfine.config import absolute_path, inherited, setting
from kfine.training.settings import TrainingConfig
from kfine.training.spaces import backbone_space

# KerasHub's task that text encoders are listed for.
TASK = "TextClassifier"


@dataclass(frozen=True)
class TextConfig(TrainingConfig):
    """Settings common to texts; the defaults are those of a small encoder."""

    data: str = setting("", "Where the examples are.", group="Data")
    sequence_length: int | None = setting(
        None,
        "Tokens that an input is cut or padded to: what 99 of 100 training examples fit into, at "
        "most 256.",
        group="Data",
        unit="tokens",
        minimum=8,
        maximum=4096,
    )
    preset: str = setting(
        "hf://sentence-transformers/all-MiniLM-L6-v2",
        "Pretrained encoder: a KerasHub name, hf://, kaggle:// or a folder; see `kfine presets`.",
        group="Model",
    )
    accents: str = setting(
        "auto",
        "Accents of what a WordPiece tokenizer is given: auto strips them where the checkpoint "
        "says so, or where an uncased vocabulary has none.",
        group="Data",
        choices=("auto", "strip", "keep"),
    )
    dropout: float = setting(
        0.1,
        "Dropout before the head.",
        group="Model",
        unit="fraction",
        minimum=0,
        maximum=0.95,
    )
    epochs: int = inherited(TrainingConfig, "epochs", 5)
    learning_rate: float = inherited(TrainingConfig, "learning_rate", 0.002)
    backbone_rate: float | None = setting(
        0.05,
        "Learning rate of the encoder layer nearest the head, as a fraction of the head's.",
        group="Training",
        minimum=1e-6,
        maximum=10,
    )
    min_steps: int = inherited(TrainingConfig, "min_steps", 20)

    def tokenizing(self) -> dict[str, Any]:
        """What `text_of_preset` is told of these settings."""
        return {"sequence_length": self.sequence_length, "accents": self.accents}


AnyTextConfig = TypeVar("AnyTextConfig", bound=TextConfig)


def resolve_text(config: AnyTextConfig) -> AnyTextConfig:
    """Check the preset, and make paths absolute: a run can be opened from any folder.

    Raises:
        PresetError: The preset is missing, or does not take texts of that length.
    """
    from kfine import presets
    from kfine.inputs.text.text import check_text_preset

    preset = presets.find_preset(config.preset)
    presets.check_network(preset, TASK)
    check_text_preset(preset, config.sequence_length)
    config = replace(config, data=absolute_path(config.data))
    return replace(config, preset=preset.handle) if preset.origin == "folder" else config


def reading(config: TextConfig) -> dict[str, Any]:
    """What the loaders of texts are told by the settings, apart from the source."""
    return {
        "validation_split": config.validation_split,
        "test_split": config.test_split,
        "seed": config.seed,
    }


def text_space(hp: Any, config: AnyTextConfig) -> AnyTextConfig:
    """What a search over a text recipe varies, unless told otherwise.

    Args:
        hp: KerasTuner's hyperparameters.
        config: Where the rest comes from.
    """
    return replace(
        config,
        learning_rate=hp.Float("learning_rate", 3e-4, 0.01, sampling="log"),
        **backbone_space(hp, config, 0.01, 0.3),
        dropout=hp.Float("dropout", 0.0, 0.5, step=0.1),
        weight_decay=hp.Float("weight_decay", 1e-4, 0.1, sampling="log"),
        label_smoothing=hp.Float("label_smoothing", 0.0, 0.2, step=0.05),
    )
