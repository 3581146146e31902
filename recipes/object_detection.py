"""Find things in photos: a box around each, and its class.

Data: COCO's JSON, Pascal VOC's XML or YOLO's text files beside the images, or a CSV or JSONL
manifest with `path`, `label`, `xmin`, `ymin`, `xmax` and `ymax`, a row for each object.
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
    """Settings of object detection."""

    preset: str = inherited(ImageConfig, "preset", "yolox_nano")
    image_size: int | None = inherited(ImageConfig, "image_size", 416)
    epochs: int = inherited(ImageConfig, "epochs", 10)
    batch_size: int = inherited(ImageConfig, "batch_size", 8)
    learning_rate: float = inherited(ImageConfig, "learning_rate", 0.002)
    backbone_rate: float | None = inherited(ImageConfig, "backbone_rate", 0.3)
    label_smoothing: float = inherited(ImageConfig, "label_smoothing", 0.0)
    ema: float = inherited(ImageConfig, "ema", 0.98)
    mosaic: float = setting(
        0.5,
        "Share of the training images that are joined from parts of four, with augmentation.",
        group="Data",
        unit="fraction",
        minimum=0,
        maximum=1,
    )


def resolve(config: Config) -> Config:
    """Make the automatic choices that need no data, and check the preset."""
    if config.label_smoothing:
        raise ConfigError(
            f"Boxes are not smoothed: label_smoothing is 0. Received: {config.label_smoothing}"
        )
    if config.pooling == "both":
        raise ConfigError("Boxes are found in maps of features, without pooling.")
    if config.image_size is not None and config.image_size % 32:
        raise ConfigError(
            f"Detectors halve images five times: image_size is a multiple of 32, such as "
            f"{round(config.image_size / 32) * 32}. Received: {config.image_size}"
        )
    return resolve_image(config)


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Decode the images once into train, validation and test, or others to score."""
    from kfine.answers.boxes import BoxFiles
    from kfine.inputs.image import load_images

    return load_images(
        source or config.data, labels=BoxFiles(), like=like, **reading(config), **options
    )


def build_model(config: Config, data: Data) -> Built:
    """A pretrained detector with new classes, or a new head on a pretrained backbone."""
    from kfine.answers.boxes import Boxes
    from kfine.data.augmentation import augmentation_layers
    from kfine.inputs.image import image_of_preset
    from kfine.models.built import Built
    from kfine.models.detector import detector
    from kfine.models.groups import layer_groups
    from kfine.presets import find_preset

    assert config.image_size is not None
    preset = find_preset(config.preset)
    image = image_of_preset(preset, config.image_size, data)
    names = tuple(data.class_names)
    model, levels = detector(preset, len(names), image.image_size)
    return Built(
        model=model,
        input=image,
        answer=Boxes(names, image.image_size, levels),
        augmentation=augmentation_layers(
            config.augmentation, flip=config.flip, mix=config.mix, mosaic=config.mosaic
        ),
        unfrozen=len(layer_groups(model)) - 1,
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
