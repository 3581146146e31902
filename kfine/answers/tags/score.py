"""What the entities that a tagger finds are worth against the true ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kfine.answers.tags.bio import find_entities
from kfine.errors import DataError
from kfine.inputs.text.examples import TaggedText


def entity_metrics(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Score the tags of sentences by the entities that they mark.

    An entity counts as found where a predicted one has the same first and last token and the same
    type. This is the measure of conlleval (Tjong Kim Sang and De Meulder, 2003,
    https://aclanthology.org/W03-0419) and the default one of seqeval
    (https://github.com/chakki-works/seqeval): an I that continues nothing begins an entity, and a
    figure is 0 where it is undefined. The macro figures are plain means over the types of which the
    references have an entity; seqeval's are also over those that are only predicted.

    Args:
        predictions: The tags of each sentence, in BIO or as `kfine.answers.tags.bio.to_bio` takes
            them.
        references: The true ones.

    Returns:
        A JSON-able dict: `count` (sentences); `token_count`; `precision`, `recall`, `f1` over the
        entities of all types (micro) and `support` (true entities); `macro_precision`,
        `macro_recall`, `macro_f1`; `token_accuracy` (fraction of tokens with the true tag as it is
        written, O included); `per_type`, name -> `precision`, `recall`, `f1`, `support`.

    Raises:
        DataError: There are no tokens to measure.
        ValueError: The sentences or their lengths do not belong together, or a word is no tag.
    """
    _check(predictions, references)
    true, found, hits = Counter[str](), Counter[str](), Counter[str]()
    tokens = agreeing = 0
    for predicted, reference in zip(predictions, references, strict=True):
        wanted, given = set(find_entities(reference)), set(find_entities(predicted))
        true.update(entity.type for entity in wanted)
        found.update(entity.type for entity in given)
        hits.update(entity.type for entity in wanted & given)
        tokens += len(reference)
        agreeing += sum(one == other for one, other in zip(predicted, reference, strict=True))
    per_type = {
        kind: _figures(hits[kind], found[kind], true[kind]) for kind in sorted(true | found)
    }
    return {
        "count": len(references),
        "token_count": tokens,
        **_figures(hits.total(), found.total(), true.total()),
        **{f"macro_{key}": _mean(per_type, key) for key in ("precision", "recall", "f1")},
        "token_accuracy": agreeing / tokens,
        "per_type": per_type,
    }


def entity_counts(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> np.ndarray:
    """Entities of each sentence that are right, that were found, and that are true: `(n, 3)`."""
    counts = np.zeros((len(references), 3), np.int64)
    for row, predicted, reference in zip(counts, predictions, references, strict=True):
        wanted, given = set(find_entities(reference)), set(find_entities(predicted))
        row[:] = len(wanted & given), len(given), len(wanted)
    return counts


def micro_f1(counts: np.ndarray) -> float:
    """F1 of all entities together, from `entity_counts`."""
    hits, found, true = counts.sum(axis=0).tolist()
    return 2 * hits / max(found + true, 1)


def known_entities(sentences: Sequence[TaggedText]) -> dict[tuple[str, ...], str]:
    """The type of all words that are entities of one type only.

    The baseline of CoNLL-2003 (Tjong Kim Sang and De Meulder, section 4): such words are one again
    wherever they stand, of several the longest. It never finds a new entity.
    """
    types: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for sentence in sentences:
        for entity in find_entities(sentence.tags):
            types[sentence.tokens[entity.start : entity.end]].add(entity.type)
    return {words: min(kinds) for words, kinds in types.items() if len(kinds) == 1}


def tag_known(tokens: Sequence[str], known: Mapping[tuple[str, ...], str]) -> list[str]:
    """Tags of a sentence by what is known, from the left, the longest first."""
    longest = max(map(len, known), default=0)
    tags = ["O"] * len(tokens)
    place = 0
    while place < len(tokens):
        for end in range(min(place + longest, len(tokens)), place, -1):
            kind = known.get(tuple(tokens[place:end]))
            if kind is not None:
                tags[place:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - place - 1)]
                break
        else:
            end = place + 1
        place = end
    return tags


def _figures(hits: int, found: int, true: int) -> dict[str, float]:
    return {
        "precision": hits / max(found, 1),
        "recall": hits / max(true, 1),
        "f1": 2 * hits / max(found + true, 1),
        "support": true,
    }


def _mean(per_type: dict[str, dict[str, float]], key: str) -> float:
    present = [figures[key] for figures in per_type.values() if figures["support"]]
    return sum(present) / max(len(present), 1)


def _check(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> None:
    lengths, wanted = [len(one) for one in predictions], [len(one) for one in references]
    if lengths != wanted:
        raise ValueError(
            f"predictions must have as many sentences and tags as the references, {wanted[:8]}. "
            f"Received: {lengths[:8]}"
        )
    if not sum(wanted):
        raise DataError("There are no tokens to measure: the split is empty.")
