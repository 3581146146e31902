"""The settings that recipes for language models inherit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from kfine.config import absolute_path, inherited, setting
from kfine.training.adapter_settings import AdapterConfig
from kfine.training.settings import TrainingConfig
from kfine.training.spaces import backbone_space

TASK = "CausalLM"


@dataclass(frozen=True)
class LanguageConfig(TrainingConfig):
    """Settings common to language models; the defaults are those of SmolLM2-135M-Instruct."""

    ADAPTER_RATE: ClassVar[float] = 1.0

    data: str = setting(
        "", "A file of prompts and replies, told by its columns, or of plain text.", group="Data"
    )
    instruction: str = setting(
        "Summarize the following text.",
        "What stands before a document, where the columns are document and summary.",
        group="Data",
    )
    prompt_length: int | None = setting(
        None,
        "Tokens of the longest prompt, of which the longest message is cut: what 99 of 100 take, "
        "at most 512.",
        group="Data",
        unit="tokens",
        minimum=8,
        maximum=8192,
    )
    longest: int | None = setting(
        None,
        "Tokens of the longest reply: what 99 of 100 have, at most 256.",
        group="Data",
        unit="tokens",
        minimum=2,
        maximum=4096,
    )
    template: str = setting(
        "auto",
        "How messages are written: auto takes the chat template of the model, or one that its "
        "tokens tell; plain has a message in each line; or a file with one in Jinja.",
        group="Model",
    )
    preset: str = setting(
        "hf://HuggingFaceTB/SmolLM2-135M-Instruct",
        "Pretrained causal language model: a KerasHub name, hf://, kaggle://, a folder or "
        "a GGUF file (kfine[gguf]).",
        group="Model",
    )
    recompute: bool = setting(
        False,
        "Compute each block again on the way back while training (gradient checkpointing): less "
        "than half of the memory, for half as long again or more.",
        group="Training",
    )
    adapter: str = inherited(AdapterConfig, "adapter", "lora")
    epochs: int = inherited(TrainingConfig, "epochs", 3)
    batch_size: int = inherited(TrainingConfig, "batch_size", 2)
    learning_rate: float = inherited(TrainingConfig, "learning_rate", 5e-4)
    backbone_rate: float | None = inherited(TrainingConfig, "backbone_rate", 0.1)
    weight_decay: float = inherited(TrainingConfig, "weight_decay", 0.0)
    label_smoothing: float = inherited(TrainingConfig, "label_smoothing", 0.0)


AnyLanguageConfig = TypeVar("AnyLanguageConfig", bound=LanguageConfig)


def resolve_language(config: AnyLanguageConfig) -> AnyLanguageConfig:
    """Check preset and template, and make paths absolute: a run can be opened from any folder.

    Raises:
        PresetError: The preset is missing, or no causal language model of a known family.
        ConfigError: The template is a file that is not there.
    """
    from kfine import presets
    from kfine.inputs.prompt import check_language_preset, check_template

    preset = presets.find_preset(config.preset)
    presets.check_network(preset, TASK)
    check_language_preset(preset)
    check_template(config.template)
    config = replace(
        config, data=absolute_path(config.data), template=absolute_path(config.template)
    )
    if preset.file is not None:
        return replace(config, preset=str(preset.file))
    return replace(config, preset=preset.handle) if preset.origin == "folder" else config


def reading(config: LanguageConfig) -> dict[str, Any]:
    """What the loaders of conversations are told by the settings, apart from the source."""
    return {
        "instruction": config.instruction,
        "validation_split": config.validation_split,
        "test_split": config.test_split,
        "seed": config.seed,
    }


def language_space(hp: Any, config: AnyLanguageConfig) -> AnyLanguageConfig:
    """What a search over a language model varies, unless told otherwise.

    Args:
        hp: KerasTuner's hyperparameters.
        config: Where the rest comes from.
    """
    rate = hp.Float("learning_rate", 5e-5, 5e-3, sampling="log")
    return replace(config, learning_rate=rate, **backbone_space(hp, config, 0.03, 1.0))
