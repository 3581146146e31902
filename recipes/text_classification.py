"""Sort texts into your own classes: sentiment, spam, topics, intent; one or several each.

Data: a CSV, TSV or JSONL file with a text and a label column, a folder with train/validation/test
files of these, a folder with one subfolder of .txt files per class, or `tfds:NAME`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.config import setting
from kfine.training.text_settings import TASK, TextConfig, reading, resolve_text, text_space

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.models.built import Built

__all__ = ["TASK", "Config", "build_model", "load_data", "resolve", "search_space"]

EXAMPLES = (".txt", ".csv", ".tsv", ".jsonl")
resolve = resolve_text
search_space = text_space


@dataclass(frozen=True)
class Config(TextConfig):
    """Settings of text classification."""

    data: str = setting(
        "",
        "A .csv, .tsv or .jsonl file, a folder of such files named after their splits, a folder "
        "of class folders with .txt files, or tfds:NAME.",
        group="Data",
    )
    text_column: str | None = setting(
        None, "Column of the texts; guessed from names and content if omitted.", group="Data"
    )
    label_column: str | None = setting(
        None, "Column of the labels; guessed from names and content if omitted.", group="Data"
    )
    label_separator: str | None = setting(
        None,
        "What stands between the labels where a text has several, such as |; it may have none.",
        group="Data",
    )
    label_columns: str | None = setting(
        None,
        "Another way to give several: a column for each label, such as angry,urgent, of 1 or 0.",
        group="Data",
    )
    class_weights: str = setting(
        "auto",
        "Let rare classes count more: take their shares out of the logits (adjusted) or weigh "
        "texts (balanced); auto adjusts where one class has over three times another's texts.",
        group="Data",
        choices=("auto", "none", "adjusted", "balanced"),
    )
    long_texts: str = setting(
        "cut",
        "Longer texts: cut, or in windows, which overlap and whose answers are averaged.",
        group="Data",
        choices=("cut", "windows"),
    )
    pooling: str = setting(
        "auto",
        "The classifier sees what the preset says (last), of the middle layer too (both; auto for "
        "few texts or a head alone), the mean (mean), of one length (unit), or KerasHub's (first).",
        group="Model",
        choices=("auto", "last", "both", "unit", "mean", "first"),
    )


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Read the texts into train, validation and test, or others to score."""
    from kfine.answers.labels import several_labels
    from kfine.data.labels import CLASS_LABELS
    from kfine.inputs.text import load_texts

    return load_texts(
        source or config.data,
        text_column=config.text_column,
        label_column=config.label_column,
        labels=several_labels(config.label_separator, config.label_columns) or CLASS_LABELS,
        like=like,
        **reading(config),
        **options,
    )


def build_model(config: Config, data: Data) -> Built:
    """A pretrained encoder with a new classifier for the classes of the data."""
    from kfine.answers.classes import Classes, class_balance
    from kfine.answers.labels import Labels, several_labels
    from kfine.inputs.text import text_of_preset
    from kfine.models.built import Built
    from kfine.models.groups import above_embedding
    from kfine.models.text_heads import text_classifier
    from kfine.models.text_pooling import describe_pooling, text_pooling
    from kfine.presets import find_preset

    preset = find_preset(config.preset)
    windows = config.long_texts == "windows"
    chosen = text_of_preset(preset, data.train.inputs, windows=windows, **config.tokenizing())
    several = several_labels(config.label_separator, config.label_columns)
    pooling = text_pooling(preset, config.pooling, middle=data.small or config.unfreeze == "none")
    model = text_classifier(preset, len(data.class_names), pooling, dropout=config.dropout)
    built = Built(
        model=model,
        input=chosen.text.for_model(model),
        answer=Labels(data.class_names, config.label_smoothing),
        decisions={**chosen.decisions, "pooling": describe_pooling(pooling, model)},
        warnings=chosen.warnings,
        unfrozen=0 if data.few else above_embedding(model),
    )
    if not several:
        balance = class_balance(data.train.labels, data.class_names, config.class_weights)
        built.answer = Classes(data.class_names, config.label_smoothing, balance.shares)
        built.weights, built.decisions["class_weights"] = balance.weights, balance.chosen
    return built


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
