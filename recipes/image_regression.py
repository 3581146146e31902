"""Read numbers off photos, in their units: a weight, an age, a level.

Data: a CSV or JSONL manifest with `path` and a column for each number.
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
    """Settings of image regression."""

    label_smoothing: float = inherited(ImageConfig, "label_smoothing", 0.0)
    numbers: str = setting(
        "number",
        "Columns of the numbers with their units, such as age:years,weight:kg; a unit in "
        "brackets is part of the column's name, such as weight (kg).",
        group="Data",
    )


def resolve(config: Config) -> Config:
    """Make the automatic choices that need no data, and check the columns and the preset."""
    from kfine.answers.numbers import columns_and_units

    columns_and_units(config.numbers)
    if config.label_smoothing:
        raise ConfigError(
            f"Numbers are not smoothed: label_smoothing is 0. Received: {config.label_smoothing}"
        )
    return resolve_image(config)


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Decode the images once into train, validation and test, or others to score."""
    from kfine.answers.numbers import NumberCells, columns_and_units
    from kfine.inputs.image import load_images

    labels = NumberCells(columns_and_units(config.numbers)[0])
    return load_images(
        source or config.data, labels=labels, like=like, **reading(config), **options
    )


def build_model(config: Config, data: Data) -> Built:
    """A pretrained backbone whose outputs are standardised numbers."""
    from kfine.answers.numbers import Numbers, columns_and_units
    from kfine.data.augmentation import augmentation_layers
    from kfine.inputs.image import image_of_preset
    from kfine.models.built import Built
    from kfine.models.image_heads import image_model
    from kfine.presets import find_preset

    assert config.image_size is not None
    preset = find_preset(config.preset)
    columns, units = columns_and_units(config.numbers)
    return Built(
        model=image_model(preset, len(columns), dropout=config.dropout, pooling=config.pooling),
        input=image_of_preset(preset, config.image_size, data),
        answer=Numbers.of(data.train.labels, columns, units),
        augmentation=augmentation_layers(config.augmentation, flip=config.flip, mix=config.mix),
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
