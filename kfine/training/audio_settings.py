"""The settings that every recipe for sounds inherits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from kfine import presets
from kfine.config import absolute_path, inherited, setting
from kfine.errors import ConfigError
from kfine.training.image_settings import ImageConfig
from kfine.training.settings import TrainingConfig
from kfine.training.spaces import backbone_space

TASK, SPEECH_TASK = "AudioClassifier", "SpeechRecognizer"
# Of a network of sounds, which has no batch normalisation, of one of images, and of Whisper.
_RATE, _RATE_OF_PICTURES, _RATE_OF_SPEECH = 0.3, 0.1, 0.05


@dataclass(frozen=True)
class AudioConfig(TrainingConfig):
    """Settings common to sounds; the defaults are those of YAMNet."""

    ADAPTER_RATE: ClassVar[float] = 0.1

    data: str = setting("", "Where the recordings are.", group="Data")
    seconds: float | None = setting(
        None,
        "How much of a recording is heard at a time: what the preset was trained with, 0.975, and "
        "for Whisper the longest, 1 to 10. Longer recordings are cut into windows.",
        group="Data",
        unit="seconds",
        minimum=0.1,
        maximum=30,
    )
    channel: str = setting(
        "mean",
        "What is heard of two channels.",
        group="Data",
        choices=("mean", "left", "right"),
    )
    group_column: str | None = setting(
        None,
        "Column of a manifest, such as speaker: recordings that are equal in it are never divided "
        "between splits or folds, so that the test says how voices are heard that are new.",
        group="Data",
    )
    group_pattern: str | None = setting(
        None,
        "The same of a part of the recordings' paths: a regular expression with a bracket around "
        "it, such as _([a-z]+)_ for 7_george_12.wav.",
        group="Data",
    )
    augmentation: str = setting(
        "light",
        "Random variation of training recordings: loudness, a shift in time, noise.",
        group="Data",
        choices=("none", "light", "strong"),
    )
    noise: str | None = setting(
        None,
        "Folder of recordings of noise, such as of the street or the machine room: put under "
        "training recordings, 0 to 30 dB below them.",
        group="Data",
    )
    preset: str = setting(
        "yamnet",
        "Pretrained backbone: yamnet, Whisper, of which the encoder is taken, or any preset of "
        "images, which is given pictures of the sound; see `kfine presets`.",
        group="Model",
    )
    pooling: str = inherited(ImageConfig, "pooling", "auto")
    dropout: float = inherited(ImageConfig, "dropout", 0.2)
    min_steps: int = inherited(TrainingConfig, "min_steps", 20)
    backbone_rate: float | None = setting(
        None,
        "Learning rate of the backbone group nearest the head, as a fraction of the head's: "
        f"{_RATE}, for pictures of the sound {_RATE_OF_PICTURES}, for Whisper {_RATE_OF_SPEECH}.",
        group="Training",
        minimum=1e-6,
        maximum=10,
    )


AnyAudioConfig = TypeVar("AnyAudioConfig", bound=AudioConfig)


def resolve_audio(config: AnyAudioConfig) -> AnyAudioConfig:
    """Make the automatic choices that need no data, and check the preset.

    Raises:
        PresetError: The preset is missing, or hears windows of another length.
        ConfigError: There is no folder of noise.
    """
    from kfine.inputs.speech import check_sound_preset

    preset = presets.find_preset(config.preset)
    presets.check_network(preset, TASK)
    check_sound_preset(preset, config.seconds)
    config = _with_paths(config, preset)
    if config.backbone_rate is None:
        rate = _RATE if preset.takes_spectrograms else _RATE_OF_PICTURES
        rate = _RATE_OF_SPEECH if preset.is_whisper else rate
        config = replace(config, backbone_rate=rate)
    if config.pooling == "auto":
        config = replace(config, pooling="both" if config.unfreeze == "none" else "last")
    return config


def resolve_speech(config: AnyAudioConfig) -> AnyAudioConfig:
    """Check the preset, which has to be Whisper, and make paths absolute.

    Raises:
        PresetError: It is missing, or another network.
        ConfigError: There is no folder of noise.
    """
    from kfine.inputs.speech import check_speech_preset

    preset = presets.find_preset(config.preset)
    presets.check_network(preset, SPEECH_TASK)
    check_speech_preset(preset)
    return _with_paths(config, preset)


def _with_paths(config: AnyAudioConfig, preset: presets.Preset) -> AnyAudioConfig:
    """Paths as absolute ones: a run can be opened from any folder."""
    if preset.origin == "folder":
        config = replace(config, preset=preset.handle)
    if not config.noise:
        return replace(config, data=absolute_path(config.data))
    if not Path(config.noise).expanduser().exists():
        raise ConfigError(f"noise names a folder of recordings. Received: {config.noise}, missing")
    return replace(config, data=absolute_path(config.data), noise=absolute_path(config.noise))


def reading(config: AudioConfig) -> dict[str, Any]:
    """What `load_sounds` is told by the settings, apart from the source."""
    return {
        "validation_split": config.validation_split,
        "test_split": config.test_split,
        "seed": config.seed,
        "channel": config.channel,
        "group_column": config.group_column,
        "group_pattern": config.group_pattern,
        "memory_budget": int(config.cache_memory * 1e9),
    }


def audio_space(hp: Any, config: AnyAudioConfig) -> AnyAudioConfig:
    """What a search over a recipe for sounds varies, unless told otherwise.

    Args:
        hp: KerasTuner's hyperparameters.
        config: Where the rest comes from.
    """
    return replace(
        config,
        learning_rate=hp.Float("learning_rate", 1e-3, 0.03, sampling="log"),
        **backbone_space(hp, config, 0.01, 1.0),
        dropout=hp.Float("dropout", 0.0, 0.5, step=0.1),
        weight_decay=hp.Float("weight_decay", 1e-4, 0.1, sampling="log"),
        augmentation=hp.Choice("augmentation", ["none", "light", "strong"]),
    )


def speech_space(hp: Any, config: AnyAudioConfig) -> AnyAudioConfig:
    """What a search over speech recognition varies, unless told otherwise.

    Args:
        hp: KerasTuner's hyperparameters.
        config: Where the rest comes from.
    """
    if config.adapter_options is not None:
        rates = backbone_space(hp, config, 0.3, 1.0)
    else:
        rates = {"layerwise_decay": hp.Float("layerwise_decay", 0.5, 1.0, step=0.1)}
    return replace(
        config,
        learning_rate=hp.Float("learning_rate", 3e-5, 1e-3, sampling="log"),
        **rates,
        weight_decay=hp.Float("weight_decay", 1e-4, 0.1, sampling="log"),
        label_smoothing=hp.Float("label_smoothing", 0.0, 0.1, step=0.05),
    )
