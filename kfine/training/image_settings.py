"""The settings that every recipe for images inherits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from kfine import presets
from kfine.config import absolute_path, setting
from kfine.training.settings import TrainingConfig
from kfine.training.spaces import backbone_space

# KerasHub's task that image backbones are listed for.
TASK = "ImageClassifier"
# Of photos, whose backbone knows the like of them, and of inputs that are unlike those.
_RATE, _OTHER_RATE = 0.03, 0.1


@dataclass(frozen=True)
class ImageConfig(TrainingConfig):
    """Settings common to images; the defaults are those of a small convolutional network."""

    ADAPTER_RATE: ClassVar[float] = 0.1

    data: str = setting("", "A .csv or .jsonl manifest.", group="Data")
    image_size: int | None = setting(
        None,
        "Height and width that images are resized to: the preset's own, 96 for digits.",
        group="Data",
        unit="pixels",
        minimum=32,
        maximum=1024,
    )
    white: float | None = setting(
        None,
        "What counts as white in images of floats or of more than 8 bits, such as 1 or 4095: one "
        "value for all of them, found in them if not given.",
        group="Data",
        minimum=1e-6,
    )
    augmentation: str = setting(
        "light",
        "Random variation of training images.",
        group="Data",
        choices=("none", "light", "strong"),
    )
    mix: str = setting(
        "none",
        "Mix training images two by two, and their labels in proportion: into a mean (mixup), or "
        "a rectangle of one into the other (cutmix). Where a linear head trains alone there is "
        "none of it.",
        group="Data",
        choices=("none", "mixup", "cutmix"),
    )
    flip: str = setting(
        "auto",
        "Mirror training images at random: not for letters, digits or left-right classes. "
        "auto is horizontal, none for digits, and none without augmentation.",
        group="Data",
        choices=("auto", "none", "horizontal", "both"),
    )
    preset: str = setting(
        "efficientnet_lite0",
        "Pretrained backbone: one that ships, a KerasHub name, hf://, "
        "kaggle:// or a folder; see `kfine presets`.",
        group="Model",
    )
    pooling: str = setting(
        "auto",
        "What the head sees: the pooled features of the last layer (last), or those of a block "
        "two thirds up a convolutional backbone too (both); auto is both for a head that trains "
        "alone, and else last.",
        group="Model",
        choices=("auto", "last", "both"),
    )
    dropout: float = setting(
        0.2,
        "Dropout before the head.",
        group="Model",
        unit="fraction",
        minimum=0,
        maximum=0.95,
    )


AnyImageConfig = TypeVar("AnyImageConfig", bound=ImageConfig)


def resolve_image(config: AnyImageConfig) -> AnyImageConfig:
    """Make the automatic choices that need no data, and check the preset.

    Raises:
        PresetError: The preset is missing, or does not take images of that size.
    """
    from kfine.inputs.image.image import check_image_preset, fixed_image_size

    preset = presets.find_preset(config.preset)
    presets.check_network(preset, TASK)
    check_image_preset(preset, config.image_size)
    digits = config.data == "digits"
    # A run can be opened from any folder, so its paths must not depend on the present one.
    if not digits:
        config = replace(config, data=absolute_path(config.data))
    if preset.origin == "folder":
        config = replace(config, preset=preset.handle)
    if config.image_size is None:
        own = 96 if digits else presets.local_image_size(preset) or 224
        config = replace(config, image_size=fixed_image_size(preset) or own)
    if config.backbone_rate is None:
        # The backbone moves about as far in a long run as in one of twelve epochs.
        rate = (_OTHER_RATE if digits else _RATE) * min(1, 12 / config.epochs)
        config = replace(config, backbone_rate=round(rate, 6))
    if config.pooling == "auto":
        # Where layers below train, the handwritten digits were better with the last alone.
        config = replace(config, pooling="both" if config.unfreeze == "none" else "last")
    if config.flip == "auto":
        mirrored = config.augmentation != "none" and not digits
        config = replace(config, flip="horizontal" if mirrored else "none")
    return config


def reading(config: ImageConfig) -> dict[str, Any]:
    """What `load_images` is told by the settings, apart from the source."""
    assert config.image_size is not None, "resolve_image chooses it"
    return {
        "image_size": (config.image_size, config.image_size),
        "validation_split": config.validation_split,
        "test_split": config.test_split,
        "seed": config.seed,
        "white": config.white,
        "memory_budget": int(config.cache_memory * 1e9),
    }


def image_space(hp: Any, config: AnyImageConfig) -> AnyImageConfig:
    """What a search over an image recipe varies, unless told otherwise with `--search`.

    Args:
        hp: KerasTuner's hyperparameters.
        config: Where the rest comes from.
    """
    chosen = {
        "learning_rate": hp.Float("learning_rate", 1e-3, 0.03, sampling="log"),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
        "weight_decay": hp.Float("weight_decay", 1e-4, 0.1, sampling="log"),
    }
    # Where labels are no classes they are not smoothed.
    if config.label_smoothing:
        chosen["label_smoothing"] = hp.Float("label_smoothing", 0.0, 0.2, step=0.05)
    return replace(
        config,
        **chosen,
        augmentation=hp.Choice("augmentation", ["none", "light", "strong"]),
        **_unfreezing_space(hp, config),
    )


def _unfreezing_space(hp: Any, config: ImageConfig) -> dict[str, Any]:
    """When and how much to unfreeze; the rates of the backbone only where some of it trains."""
    early, late = 1 + config.epochs // 6, 1 + config.epochs // 2
    if config.adapter_options is not None:
        # All of them train from the first epoch, and a head alone would leave them out.
        return backbone_space(hp, config, 0.003, 0.3)
    schedules = ["auto", "none", "all", f"{early}:2", f"{early}:4"]
    if early < late <= config.epochs:
        schedules += [f"{late}:4", f"{early}:1,{late}:4"]
    chosen = {"unfreeze": hp.Choice("unfreeze", schedules)}
    with hp.conditional_scope("unfreeze", [one for one in schedules if one != "none"]):
        chosen |= backbone_space(hp, config, 0.003, 0.3)
    return chosen
