"""Read a class and a number off the same photo, such as a species and its weight.

Data: a CSV or JSONL manifest with `path`, a column of classes and one of numbers. Either may be
empty in some rows: such an image teaches the other only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.config import inherited, setting
from kfine.training.image_settings import TASK, ImageConfig, image_space, reading, resolve_image

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.models.built import Built

__all__ = ["TASK", "Config", "build_model", "load_data", "resolve", "search_space"]

resolve = resolve_image
search_space = image_space


@dataclass(frozen=True)
class Config(ImageConfig):
    """Settings of a class and a number."""

    label_smoothing: float = inherited(ImageConfig, "label_smoothing", 0.0)
    class_column: str = setting("label", "Column of the classes.", group="Data")
    number: str = setting(
        "number", "Column of the numbers with its unit, such as weight:kg.", group="Data"
    )
    number_weight: float = setting(
        1.0,
        "What the loss of the number counts beside that of the class.",
        group="Training",
        minimum=0,
        maximum=1000,
    )


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Decode the images once into train, validation and test, or others to score."""
    from kfine.answers.numbers import NumberCells, columns_and_units
    from kfine.answers.several import SeveralLabels
    from kfine.data.labels import ClassLabels
    from kfine.inputs.image import load_images

    numbers = NumberCells(columns_and_units(config.number)[0])
    labels = SeveralLabels({"class": ClassLabels((config.class_column,)), "number": numbers})
    return load_images(
        source or config.data, labels=labels, like=like, **reading(config), **options
    )


def build_model(config: Config, data: Data) -> Built:
    """Two linear layers on one image backbone."""
    from kfine.answers.classes import Classes
    from kfine.answers.numbers import Numbers, columns_and_units
    from kfine.answers.several import Several, present
    from kfine.data.augmentation import augmentation_layers
    from kfine.inputs.image import image_of_preset
    from kfine.models.built import Built
    from kfine.models.image_heads import image_heads
    from kfine.presets import find_preset

    assert config.image_size is not None
    preset = find_preset(config.preset)
    labels = data.train.labels
    classes = Classes.of(present(labels, "class"), label_smoothing=config.label_smoothing)
    numbers = Numbers.of(present(labels, "number"), *columns_and_units(config.number))
    outputs = {"class": len(classes.names), "number": len(numbers.names)}
    return Built(
        model=image_heads(preset, outputs, dropout=config.dropout, pooling=config.pooling),
        input=image_of_preset(preset, config.image_size, data),
        answer=Several(
            {"class": classes, "number": numbers}, "class", {"number": config.number_weight}
        ),
        augmentation=augmentation_layers(config.augmentation, flip=config.flip, mix=config.mix),
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
