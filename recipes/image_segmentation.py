"""Find where things are in photos: the class of each pixel.

Data: a folder with images and masks of the same names, or a CSV or JSONL manifest with `path` and
`mask`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.config import inherited, setting
from kfine.errors import ConfigError
from kfine.training.image_settings import TASK, ImageConfig, image_space, reading, resolve_image

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.models.built import Built

__all__ = ["TASK", "Config", "build_model", "load_data", "resolve", "search_space"]

search_space = image_space


@dataclass(frozen=True)
class Config(ImageConfig):
    """Settings of image segmentation."""

    image_size: int | None = inherited(ImageConfig, "image_size", 256)
    epochs: int = inherited(ImageConfig, "epochs", 20)
    batch_size: int = inherited(ImageConfig, "batch_size", 8)
    learning_rate: float = inherited(ImageConfig, "learning_rate", 0.003)
    backbone_rate: float | None = inherited(ImageConfig, "backbone_rate", 0.3)
    dropout: float = inherited(ImageConfig, "dropout", 0.1)
    label_smoothing: float = inherited(ImageConfig, "label_smoothing", 0.0)
    classes: str | None = setting(
        None,
        "Names of the classes in the order of their values, such as background,road, or a file of "
        "them; found beside the images (classes.json, labelmap.txt and so on) if omitted.",
        group="Data",
    )
    ignore: str | None = setting(
        None,
        "Classes whose pixels do not count, such as void,border; if omitted those that are called "
        "so.",
        group="Data",
    )
    class_weights: str = setting(
        "none",
        "Let the pixels of rare classes count more, by the root of how much rarer they are.",
        group="Data",
        choices=("none", "balanced"),
    )
    dice: float = setting(
        0.5,
        "Share of the Dice loss beside the cross-entropy: it counts classes alike, however many "
        "pixels they have.",
        group="Training",
        unit="fraction",
        minimum=0,
        maximum=1,
    )


def resolve(config: Config) -> Config:
    """Make the automatic choices that need no data, and check the preset."""
    if config.label_smoothing:
        raise ConfigError(
            f"Masks are not smoothed: label_smoothing is 0. Received: {config.label_smoothing}"
        )
    if config.pooling == "both":
        raise ConfigError("Maps of classes are made of all scales, without pooling.")
    return resolve_image(config)


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Decode the images once into train, validation and test, or others to score."""
    from kfine.answers.masks import MaskFiles
    from kfine.inputs.image import load_images

    labels = MaskFiles(config.classes or "", config.ignore)
    return load_images(
        source or config.data, labels=labels, like=like, **reading(config), **options
    )


def build_model(config: Config, data: Data) -> Built:
    """A pretrained backbone whose features of all scales meet in a map of classes."""
    from kfine.answers.masks import Masks
    from kfine.data.augmentation import augmentation_layers
    from kfine.inputs.image import image_of_preset
    from kfine.models.built import Built
    from kfine.models.dense_heads import dense_model
    from kfine.models.groups import layer_groups
    from kfine.presets import find_preset

    assert config.image_size is not None
    preset = find_preset(config.preset)
    image = image_of_preset(preset, config.image_size, data)
    model = dense_model(preset, len(data.class_names), image.image_size, dropout=config.dropout)
    return Built(
        model=model,
        input=image,
        answer=Masks.of(
            data.train.labels,
            data.class_names,
            image.image_size,
            balanced=config.class_weights == "balanced",
            dice=config.dice,
        ),
        augmentation=augmentation_layers(
            config.augmentation, flip=config.flip, mix=config.mix, inside=True
        ),
        # Edges and textures are in the lower layers: with the upper third alone masks are worse.
        unfrozen=len(layer_groups(model)) - 1,
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
