"""Find names and other entities in texts: people, places, products, whatever you have tagged.

Data: CoNLL files (a token and its tag per line) or JSONL (`tokens`, `tags`), one file or a folder
with train/validation/test files. Tags are BIO; other schemes are understood.
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

EXAMPLES = (".conll", ".bio", ".iob", ".iob2")
resolve = resolve_text
search_space = text_space


@dataclass(frozen=True)
class Config(TextConfig):
    """Settings of token classification."""

    data: str = setting(
        "",
        "A .conll or .jsonl file, or a folder with train, validation and test files of these.",
        group="Data",
    )
    epochs: int = inherited(TextConfig, "epochs", 6)
    min_steps: int = inherited(TextConfig, "min_steps", 40)


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Read the tagged texts into train, validation and test, or others to score."""
    from kfine.answers.tags import load_tagged

    return load_tagged(source or config.data, like=like, **reading(config), **options)


def build_model(config: Config, data: Data) -> Built:
    """A pretrained encoder with a new classifier on each token."""
    from kfine.answers.tags import Tags
    from kfine.inputs.text import text_of_preset
    from kfine.models.built import Built
    from kfine.models.groups import above_embedding
    from kfine.models.text_heads import token_classifier
    from kfine.presets import find_preset

    preset = find_preset(config.preset)
    chosen = text_of_preset(preset, data.train.inputs, windows=True, **config.tokenizing())
    model = token_classifier(preset, len(data.class_names), dropout=config.dropout)
    return Built(
        model=model,
        input=chosen.text.for_model(model),
        answer=Tags(data.class_names, config.label_smoothing),
        decisions=chosen.decisions,
        warnings=chosen.warnings,
        unfrozen=above_embedding(model),
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
