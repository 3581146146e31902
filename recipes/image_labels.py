"""Tag photos with any number of your own labels, with a model that fits on a phone.

Data: a CSV or JSONL manifest with `path` and the labels of each image: in one column with a
separator (`beach|sunny`), or in one column for each label that holds 1 or 0.
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
    """Settings of image labels."""

    label_smoothing: float = inherited(ImageConfig, "label_smoothing", 0.0)
    label_column: str = setting("label", "Column with the labels of an image.", group="Data")
    label_separator: str = setting(
        "|", "What stands between the labels in it; lists of JSON need none.", group="Data"
    )
    label_columns: str | None = setting(
        None,
        "In place of that: one column for each label, such as beach,sunny,night, which holds 1 "
        "or 0 (yes or no, true or false).",
        group="Data",
    )


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Decode the images once into train, validation and test, or others to score."""
    from kfine.answers.labels import label_lists
    from kfine.inputs.image import load_images

    labels = label_lists(config.label_column, config.label_separator, config.label_columns)
    return load_images(
        source or config.data, labels=labels, like=like, **reading(config), **options
    )


def build_model(config: Config, data: Data) -> Built:
    """A pretrained backbone with an output for each label."""
    from kfine.answers.labels import Labels
    from kfine.data.augmentation import augmentation_layers
    from kfine.inputs.image import image_of_preset
    from kfine.models.built import Built
    from kfine.models.image_heads import image_model
    from kfine.presets import find_preset

    assert config.image_size is not None
    preset = find_preset(config.preset)
    return Built(
        model=image_model(
            preset, len(data.class_names), dropout=config.dropout, pooling=config.pooling
        ),
        input=image_of_preset(preset, config.image_size, data),
        answer=Labels(data.class_names, config.label_smoothing),
        augmentation=augmentation_layers(config.augmentation, flip=config.flip, mix=config.mix),
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
