"""Tell sounds apart: a spoken command, a machine, an animal, with a model that fits on a phone.

Data: a folder with one subfolder per class (or train/validation/test above them), or a CSV or JSONL
manifest with `path` and `label`, and `start` and `end` in seconds where a file holds several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.config import setting
from kfine.training.audio_settings import TASK, AudioConfig, audio_space, reading, resolve_audio

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.models.built import Built

__all__ = ["TASK", "Config", "build_model", "load_data", "resolve", "search_space"]

resolve = resolve_audio
search_space = audio_space


@dataclass(frozen=True)
class Config(AudioConfig):
    """Settings of sound classification."""

    data: str = setting(
        "", "A folder of class folders, or a .csv or .jsonl manifest.", group="Data"
    )
    class_weights: str = setting(
        "auto",
        "Let rare classes count more: take their shares out of the logits (adjusted) or weigh "
        "recordings (balanced); auto adjusts where one class has over three times another's.",
        group="Data",
        choices=("auto", "none", "adjusted", "balanced"),
    )


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Decode the recordings once into train, validation and test, or others to score."""
    from kfine.inputs.audio import load_sounds

    return load_sounds(source or config.data, like=like, **reading(config), **options)


def build_model(config: Config, data: Data) -> Built:
    """A pretrained backbone with a new head for the classes of the data."""
    from kfine.answers.classes import Classes, class_balance
    from kfine.inputs.audio import audio_of_preset, check_audio_preset, sound_augmentation
    from kfine.models.built import Built
    from kfine.models.groups import layer_groups
    from kfine.models.sound_head import sound_model
    from kfine.presets import find_preset

    preset = find_preset(config.preset)
    frames = check_audio_preset(preset, config.seconds)
    balance = class_balance(data.train.labels, data.class_names, config.class_weights)
    model = sound_model(
        preset, len(data.class_names), dropout=config.dropout, pooling=config.pooling
    )
    return Built(
        model=model,
        input=audio_of_preset(preset, frames, config.channel),
        answer=Classes(data.class_names, config.label_smoothing, balance.shares),
        augmentation=sound_augmentation(config.augmentation),
        weights=balance.weights,
        decisions={"class_weights": balance.chosen},
        # Sounds differ more than photos from those that a network was made for.
        unfrozen=0 if data.few else len(layer_groups(model)) - 1,
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
