"""Conversations as a data set."""

from __future__ import annotations

import json
from typing import Any

from kfine.data.labelled import Data
from kfine.data.labels import Known
from kfine.data.records import Progress
from kfine.data.structured import Kind, load_structured
from kfine.inputs.prompt.conversation import Conversation
from kfine.inputs.prompt.examiner import PromptExaminer
from kfine.inputs.prompt.tables import read_conversations


def load_replies(
    data: str,
    *,
    instruction: str,
    validation_split: float = 0.0,
    test_split: float = 0.0,
    seed: int = 0,
    like: Known | None = None,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read conversations, and make the splits that are missing.

    No split divides the replies of one conversation, or those to one prompt.

    Args:
        data: As in `kfine.inputs.prompt.tables.read_conversations`.
        instruction: As there.
        validation_split: Fraction 0 to 1 of the training examples, if there is no such split.
        test_split: The same for the test.
        seed: Decides which conversations are carved.
        like: What a trained model knows, to score it: there is then one split, test.
        split_lists: What `Data.split_lists` of a former run gave.
        progress: Called with (done, total) after the conversations were read.

    Returns:
        Data whose `inputs` are `Conversation`s. Labels are the replies.

    Raises:
        DataError: The source cannot be read, or no row of it can be used.
    """
    source = read_conversations(data, instruction)
    return load_structured(
        data,
        source,
        source.conversations,
        _REPLIES,
        names=(),
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        like=like,
        split_lists=split_lists,
        progress=progress,
    )


def _content(one: Conversation) -> str:
    return json.dumps([[(m.role, m.content) for m in one.messages], one.reply])


_REPLIES = Kind(
    label=lambda one: one.reply,
    stratum=lambda reply: "all",
    content=_content,
    together=lambda one: one.whole,
    counted=lambda reply: (),
    examiner=PromptExaminer(),
)
