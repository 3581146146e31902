"""Tags of tokens (O, B-person, I-person) and the entities that they mark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# S and U mark an entity of one token, E and L the last token of a longer one.
_TAG = re.compile(r"([BIESLU])-(.+)", re.DOTALL)
_SINGLE, _LAST = "SU", "EL"


class Entity(NamedTuple):
    """An entity of a sentence: its type, and its tokens `start` to `end`, `end` not included."""

    type: str
    start: int
    end: int


def is_tag(word: str) -> bool:
    """Whether a word is a tag: `O`, or B, I, E, S, L or U with a dash and a type."""
    return word == "O" or bool(_TAG.fullmatch(word))


def to_bio(tags: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Write tags of any scheme as BIO.

    The rules are those of conlleval, the script of CoNLL-2000
    (https://www.clips.uantwerpen.be/conll2000/chunking/output.html): a tag that continues an
    entity where there is none of its type begins one. So IOB1 is read too, where B stands only
    between neighbours of one type; and BIOES and BILOU, where S and U are entities of one token
    and E and L the last token of one.

    Args:
        tags: The tags of one sentence; see `is_tag`.

    Returns:
        The same entities with O, B and I only, and how many tags became B that said to continue.

    Raises:
        ValueError: A word is no tag.
    """
    written, repaired = [], 0
    going = None
    for tag in tags:
        match = _TAG.fullmatch(tag)
        if not match:
            if tag != "O":
                raise ValueError(f"A tag is O or B-TYPE or I-TYPE. Received: {tag!r}")
            written.append("O")
            going = None
            continue
        prefix, kind = match.groups()
        begins = prefix in "B" + _SINGLE
        if not begins and going != kind:
            begins = True
            repaired += 1
        written.append(f"{'B' if begins else 'I'}-{kind}")
        going = None if prefix in _SINGLE + _LAST else kind
    return tuple(written), repaired


def find_entities(tags: Sequence[str]) -> list[Entity]:
    """The entities that the tags of a sentence mark, from left to right; see `to_bio`.

    Raises:
        ValueError: A word is no tag.
    """
    found: list[Entity] = []
    for place, tag in enumerate(to_bio(tags)[0]):
        if tag.startswith("B"):
            found.append(Entity(tag[2:], place, place + 1))
        elif tag.startswith("I"):
            found[-1] = found[-1]._replace(end=place + 1)
    return found


def tag_names(types: Iterable[str]) -> tuple[str, ...]:
    """The tags that a model tells apart: O, then B and I of each type in alphabetical order."""
    return ("O", *(f"{prefix}-{kind}" for kind in sorted(set(types)) for prefix in "BI"))
