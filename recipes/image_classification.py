"""Classify photos into your own classes, with a model that fits on a phone.

Data: a folder with one subfolder per class (or train/validation/test above them), a CSV or JSONL
manifest with `path` and `label`, `tfds:NAME`, or `digits` (handwritten digits, no network).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.config import setting
from kfine.training.image_settings import TASK, ImageConfig, image_space, reading, resolve_image

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.models.built import Built

__all__ = ["TASK", "Config", "build_model", "load_data", "resolve", "search_space"]

# Endings of the files that `kfine doctor` takes this recipe for.
EXAMPLES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".heic", ".tif", ".tiff")
resolve = resolve_image
search_space = image_space


@dataclass(frozen=True)
class Config(ImageConfig):
    """Settings of image classification."""

    data: str = setting(
        "digits",
        "A folder of class folders, a .csv or .jsonl manifest, tfds:NAME, or digits.",
        group="Data",
    )
    class_weights: str = setting(
        "auto",
        "Let rare classes count more: take their shares out of the logits (adjusted) or weigh "
        "images (balanced); auto adjusts where one class has over three times another's images.",
        group="Data",
        choices=("auto", "none", "adjusted", "balanced"),
    )


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Decode the images once into train, validation and test, or others to score."""
    from kfine.inputs.image import load_images

    return load_images(source or config.data, like=like, **reading(config), **options)


def build_model(config: Config, data: Data) -> Built:
    """A pretrained backbone with a new head for the classes of the data."""
    from kfine.answers.classes import Classes, class_balance
    from kfine.data.augmentation import augmentation_layers
    from kfine.inputs.image import image_of_preset
    from kfine.models.built import Built
    from kfine.models.image_heads import image_model
    from kfine.presets import find_preset

    assert config.image_size is not None
    preset = find_preset(config.preset)
    balance = class_balance(data.train.labels, data.class_names, config.class_weights)
    return Built(
        model=image_model(
            preset, len(data.class_names), dropout=config.dropout, pooling=config.pooling
        ),
        input=image_of_preset(preset, config.image_size, data),
        answer=Classes(data.class_names, config.label_smoothing, balance.shares),
        augmentation=augmentation_layers(config.augmentation, flip=config.flip, mix=config.mix),
        weights=balance.weights,
        decisions={"class_weights": balance.chosen},
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
