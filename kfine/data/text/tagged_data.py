"""Tagged sentences as a data set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from kfine.data.decoding import Progress
from kfine.data.labelled import Data
from kfine.data.text.alignment import check_known_tags
from kfine.data.text.bio import find_entities, tag_names
from kfine.data.text.structured import Kind, load_structured, load_structured_for_evaluation
from kfine.data.text.tagged import TaggedText, read_tagged


def load_tagged(
    data: str,
    *,
    validation_split: float,
    test_split: float,
    seed: int,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read tagged sentences, and make the splits that are missing.

    Args:
        data: As in `kfine.data.text.tagged.read_tagged`.
        validation_split: Fraction 0 to 1 of the training sentences, if there is no such split.
        test_split: The same for the test.
        seed: Decides which sentences are carved.
        split_lists: What `Data.split_lists` of a former run gave.
        progress: Called with (done, total) after the sentences were read.

    Returns:
        Data whose `inputs` are `TaggedText`s and whose `class_names` are the tags: `O`,
        `B-person`, `I-person`, ...

    Raises:
        DataError: The source cannot be read, or holds no entity.
    """
    source = read_tagged(data)
    return load_structured(
        data,
        source,
        source.sentences,
        _TAGGED,
        class_names=tag_names(source.entity_types),
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        split_lists=split_lists,
        progress=progress,
    )


def load_tagged_for_evaluation(
    data: str, *, class_names: Sequence[str], progress: Progress | None = None
) -> Data:
    """Read tagged sentences to score a trained model on: one split, called test.

    Raises:
        DataError: It cannot be read, or has entities of a type that the model does not know.
    """
    source = read_tagged(data)
    check_known_tags(tag_names(source.entity_types), class_names)
    return load_structured_for_evaluation(
        data, source, source.sentences, _TAGGED, class_names, progress
    )


def _stratum(sentence: TaggedText) -> str:
    return "with entities" if any(tag != "O" for tag in sentence.tags) else "without entities"


def _types(sentence: TaggedText) -> Iterable[str]:
    return (entity.type for entity in find_entities(sentence.tags))


_TAGGED = Kind(
    stratum=_stratum,
    content=lambda one: json.dumps([one.tokens, one.tags]),
    together=lambda one: json.dumps(one.tokens),
    counted=_types,
)
