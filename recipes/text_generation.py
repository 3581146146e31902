"""Teach a language model to reply: instructions, chats, summaries or plain text of one's own.

Data: a CSV, TSV, JSONL or JSON file with instruction,input,output; prompt,completion; messages;
document,summary; question,answer; or text; a .txt file; or a folder with train and test files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.training.language_settings import (
    TASK,
    LanguageConfig,
    language_space,
    reading,
    resolve_language,
)

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.models.built import Built

__all__ = ["TASK", "Config", "build_model", "load_data", "resolve", "search_space"]

# Tables with these have prompts and replies; other tables of texts have labels.
COLUMNS = (("instruction", "output"), ("prompt", "completion"), ("messages",), ("conversations",))
resolve = resolve_language
search_space = language_space


@dataclass(frozen=True)
class Config(LanguageConfig):
    """Settings of text generation."""


def load_data(config: Config, source: str | None = None, like: Any = None, **options: Any) -> Data:
    """Read the conversations into train, validation and test, or others to score."""
    from kfine.answers.reply import load_replies

    return load_replies(source or config.data, like=like, **reading(config), **options)


def build_model(config: Config, data: Data) -> Built:
    """A pretrained causal language model as it comes; the loss is of replies alone."""
    from kfine.answers.reply import reply_for
    from kfine.inputs.prompt import prompt_of_preset
    from kfine.models.built import Built
    from kfine.models.gguf import unpacked
    from kfine.models.groups import above_embedding
    from kfine.models.language import language_backbone, language_model
    from kfine.presets import find_preset

    preset = unpacked(find_preset(config.preset))
    # Of all that may train: a second fit on validation too has the same lengths.
    splits = [one for one in (data.train, data.validation) if one]
    prompts = [prompt for split in splits for prompt in split.examples()]
    replies = [reply for split in splits for reply in split.labels]
    prompt, decisions = prompt_of_preset(
        preset,
        config.template,
        prompts,
        config.prompt_length,
        instruction=config.instruction,
    )
    answer, words, warnings = reply_for(prompt, replies, config.longest, config.label_smoothing)
    model = language_model(language_backbone(preset.handle), recompute=config.recompute)
    return Built(
        model=model,
        input=prompt,
        answer=answer,
        decisions={**decisions, "longest": words},
        warnings=warnings,
        unfrozen=above_embedding(model),
    )


if __name__ == "__main__":
    from kfine.cli import run_recipe

    run_recipe(__file__)
