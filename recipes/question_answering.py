"""Answer questions with a passage of a text, or say that the text has no answer.

Data: the JSON of SQuAD 1.1 or 2.0, one file or a folder with train/validation/test files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.config import inherited, setting
from kfine.training.text_settings import TASK, TextConfig, reading, resolve_text, text_space

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.models.built import Built

__all__ = ["TASK", "Config", "build_model", "load_data", "resolve", "search_space"]

EXAMPLES = (".json",)
resolve = resolve_text
search_space = text_space


@dataclass(frozen=True)
class Config(TextConfig):
    """Settings of question answering."""

    data: str = setting(
        "",
        "A .json file as SQuAD has it, or a folder with train, validation and test files.",
        group="Data",
    )
    sequence_length: int | None = setting(
        None,
        "Word pieces of a row with question and window of the context: what 99 of 100 fit into, "
        "at most 256.",
        group="Data",
        unit="pieces",
        minimum=80,
        maximum=4096,
    )
    stride: int = setting(
        128,
        "Word pieces from the beginning of a window of the context to that of the next.",
        group="Data",
        unit="pieces",
        minimum=8,
        maximum=4096,
    )
    longest_answer: int = setting(
        30, "Word pieces of the longest answer.", group="Data", unit="pieces", minimum=1
    )
    epochs: int = inherited(TextConfig, "epochs", 6)
    min_steps: int = inherited(TextConfig, "min_steps", 40)


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Read the questions into train, validation and test, or others to score."""
    from kfine.answers.spans import load_questions

    return load_questions(source or config.data, like=like, **reading(config), **options)


def build_model(config: Config, data: Data) -> Built:
    """A pretrained encoder with new scores for the first and the last piece of the answer."""
    from kfine.answers.spans import Spans
    from kfine.inputs.text import text_of_preset
    from kfine.models.built import Built
    from kfine.models.groups import above_embedding
    from kfine.models.text_heads import span_finder
    from kfine.presets import find_preset

    preset = find_preset(config.preset)
    chosen = text_of_preset(preset, data.train.inputs, stride=config.stride, **config.tokenizing())
    model = span_finder(preset, dropout=config.dropout)
    return Built(
        model=model,
        input=chosen.text.for_model(model),
        answer=Spans(data.class_names, config.longest_answer, config.label_smoothing),
        decisions=chosen.decisions,
        warnings=chosen.warnings,
        unfrozen=above_embedding(model),
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
