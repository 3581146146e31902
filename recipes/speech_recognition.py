"""Write down what is said: Whisper, taught the words, names and voices of one's own recordings.

Data: a CSV or JSONL manifest with `path` and `text`, and `start` and `end` in seconds where a file
holds several sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from kfine.config import inherited, setting
from kfine.training.audio_settings import (
    SPEECH_TASK,
    AudioConfig,
    reading,
    resolve_speech,
    speech_space,
)
from kfine.training.settings import TrainingConfig

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.models.built import Built

__all__ = ["TASK", "Config", "build_model", "load_data", "resolve", "search_space"]

TASK = SPEECH_TASK
resolve = resolve_speech
search_space = speech_space


@dataclass(frozen=True)
class Config(AudioConfig):
    """Settings of speech recognition; the defaults are those of whisper_tiny_en."""

    ADAPTER_RATE: ClassVar[float] = 3.0

    data: str = setting("", "A .csv or .jsonl manifest with path and text.", group="Data")
    text_column: str = setting("text", "Column of the transcripts.", group="Data")
    language: str | None = setting(
        None, "What is spoken, such as de, for a multilingual preset.", group="Data"
    )
    seconds: float | None = setting(
        None,
        "How much of a recording is heard at a time: 10, or 20 or 30 where a recording is longer.",
        group="Data",
        unit="seconds",
        minimum=1,
        maximum=30,
    )
    longest: int | None = setting(
        None,
        "Tokens of the longest transcript: twice what any training transcript has, at least 32.",
        group="Data",
        unit="tokens",
        minimum=2,
        maximum=224,
    )
    beams: int = setting(
        1,
        "Transcripts that are followed at a time, of which the likeliest is taken (beam search); "
        "with 1 the likeliest token is, each time.",
        group="Model",
        minimum=1,
        maximum=16,
    )
    augmentation: str = inherited(AudioConfig, "augmentation", "none")
    preset: str = setting(
        "whisper_tiny_en",
        "Pretrained Whisper: a KerasHub name or a folder; see `kfine presets`.",
        group="Model",
    )
    label_smoothing: float = inherited(TrainingConfig, "label_smoothing", 0.0)
    epochs: int = inherited(TrainingConfig, "epochs", 6)
    learning_rate: float = inherited(TrainingConfig, "learning_rate", 3e-4)
    backbone_rate: float | None = inherited(TrainingConfig, "backbone_rate", 1.0)
    min_steps: int = inherited(TrainingConfig, "min_steps", 20)


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Decode the recordings once into train, validation and test, or others to score."""
    from kfine.answers.words import Transcripts
    from kfine.inputs.audio import load_sounds

    labels = Transcripts((config.text_column,))
    return load_sounds(
        source or config.data, labels=labels, like=like, **reading(config), **options
    )


def build_model(config: Config, data: Data) -> Built:
    """Whisper as it comes; its decoder is tuned, and the encoder hears each recording once."""
    from kfine.answers.words import words_of_preset
    from kfine.inputs.audio import sound_augmentation
    from kfine.inputs.speech import Speech, heard_window
    from kfine.models.built import Built
    from kfine.models.groups import layer_groups
    from kfine.models.speech import speech_model, whisper_of_preset

    # Of all that may train: a second fit on validation too has the same window.
    splits = [one for one in (data.train, data.validation) if one]
    lengths = [len(one) for split in splits for one in split.examples()]
    texts = [text for split in splits for text in split.labels]
    frames = heard_window(lengths, config.seconds)
    whisper = whisper_of_preset(config.preset)
    model = speech_model(whisper)
    answer = words_of_preset(config.preset, config.language, config.longest, texts)
    return Built(
        model=model,
        input=Speech(frames, config.channel, bands=whisper.num_mels),
        answer=replace(answer, beams=config.beams, label_smoothing=config.label_smoothing),
        augmentation=sound_augmentation(
            config.augmentation, noise=config.noise, channel=config.channel
        ),
        unfrozen=sum("decoder_layer" in one.name for one in layer_groups(model)),
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
