"""Tagged sentences as a data set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from kfine.answers.tags.bio import find_entities, tag_names
from kfine.answers.tags.tagged import read_tagged
from kfine.data.labelled import Data
from kfine.data.labels import Known
from kfine.data.records import Progress
from kfine.data.structured import Kind, load_structured
from kfine.inputs.text.examiner import TaggedExaminer


def load_tagged(
    data: str,
    *,
    validation_split: float = 0.0,
    test_split: float = 0.0,
    seed: int = 0,
    like: Known | None = None,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read tagged sentences, and make the splits that are missing.

    Args:
        data: As in `kfine.answers.tags.tagged.read_tagged`.
        validation_split: Fraction 0 to 1 of the training sentences, if there is no such split.
        test_split: The same for the test.
        seed: Decides which sentences are carved.
        like: What a trained model knows, to score it: there is then one split, test.
        split_lists: What `Data.split_lists` of a former run gave.
        progress: Called with (done, total) after the sentences were read.

    Returns:
        Data whose `inputs` are `TaggedText`s and whose `class_names` are the tags: `O`,
        `B-person`, `I-person`, ...

    Raises:
        DataError: The source cannot be read, holds no entity, or entities of a type that the
            model does not know.
    """
    source = read_tagged(data)
    return load_structured(
        data,
        source,
        source.sentences,
        _TAGGED,
        names=tag_names(source.entity_types),
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        like=like,
        split_lists=split_lists,
        progress=progress,
    )


def _stratum(tags: Sequence[str]) -> str:
    return "with entities" if any(tag != "O" for tag in tags) else "without entities"


def _types(tags: Sequence[str]) -> Iterable[str]:
    return (entity.type for entity in find_entities(tags))


_TAGGED = Kind(
    label=lambda one: one.tags,
    stratum=_stratum,
    content=lambda one: json.dumps([one.tokens, one.tags]),
    together=lambda one: json.dumps(one.tokens),
    counted=_types,
    examiner=TaggedExaminer(),
)
