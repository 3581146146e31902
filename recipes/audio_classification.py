"""Tell sounds apart: spoken commands, machines, animals; one class or several labels each.

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

# Endings of the files that `kfine doctor` takes this recipe for.
EXAMPLES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff")
resolve = resolve_audio
search_space = audio_space


@dataclass(frozen=True)
class Config(AudioConfig):
    """Settings of sound classification."""

    data: str = setting(
        "", "A folder of class folders, or a .csv or .jsonl manifest.", group="Data"
    )
    label_column: str = setting("label", "Column of the labels in a manifest.", group="Data")
    label_separator: str | None = setting(
        None,
        "What stands between the labels where a recording has several, such as |; it may have "
        "none.",
        group="Data",
    )
    mix: str = setting(
        "none",
        "Mix training recordings two by two into a mean, and their labels in proportion (mixup).",
        group="Data",
        choices=("none", "mixup"),
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
    from kfine.answers.labels import label_lists
    from kfine.data.labels import ClassLabels
    from kfine.inputs.audio import load_sounds

    column, separator = config.label_column, config.label_separator
    labels = label_lists(column, separator, None) if separator else ClassLabels((column,))
    return load_sounds(
        source or config.data, labels=labels, like=like, **reading(config), **options
    )


def build_model(config: Config, data: Data) -> Built:
    """A pretrained backbone with a new head for the classes of the data."""
    from kfine.answers.classes import Classes, class_balance
    from kfine.answers.labels import Labels
    from kfine.inputs.audio import sound_augmentation
    from kfine.inputs.speech import sound_of_preset
    from kfine.models.built import Built
    from kfine.models.groups import layer_groups
    from kfine.models.sound_head import sound_model
    from kfine.presets import find_preset

    preset = find_preset(config.preset)
    lengths = [len(one) for one in data.train.examples()]
    model = sound_model(
        preset, len(data.class_names), dropout=config.dropout, pooling=config.pooling
    )
    unfrozen = None
    if preset.takes_spectrograms:
        # Words are unlike the sounds that the network was made for: all of it has to train.
        unfrozen = 0 if data.few else len(layer_groups(model)) - 1
    built = Built(
        model=model,
        input=sound_of_preset(preset, config.seconds, config.channel, lengths),
        answer=Labels(data.class_names, config.label_smoothing),
        augmentation=sound_augmentation(
            config.augmentation, noise=config.noise, mix=config.mix, channel=config.channel
        ),
        unfrozen=unfrozen,
    )
    if not config.label_separator:
        balance = class_balance(data.train.labels, data.class_names, config.class_weights)
        built.answer = Classes(data.class_names, config.label_smoothing, balance.shares)
        built.weights, built.decisions["class_weights"] = balance.weights, balance.chosen
    return built


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
