"""What happens to texts outside: hurry, scanners, other keyboards."""

from __future__ import annotations

import unicodedata

import numpy as np

from kfine.data.changes import Change
from kfine.inputs.text.reworded import reworded

# Letters beside each other on a keyboard.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEAR = {
    letter: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in _ROWS
    for place, letter in enumerate(row)
}
# What a scanner takes for what.
_LOOKS = {"l": "1", "o": "0", "m": "rn", "e": "c", "i": "l", "s": "5", "b": "6", "h": "b", "a": "o"}
_WORDS = ("the", "of", "and", "a", "to", "in", "is", "that", "it", "was", "for", "on", "are", "as")


def typos(text: str, share: float, random: np.random.Generator) -> str:
    """So many of the letters missed, doubled, swapped with the next, or a key beside them."""
    found, skip = [], False
    for place, letter in enumerate(text):
        if skip:
            skip = False
            continue
        if not letter.isalpha() or random.random() >= share:
            found.append(letter)
            continue
        way = random.integers(4)
        if way == 0:
            continue
        if way == 1:
            found.append(2 * letter)
        elif way == 2 and place + 1 < len(text):
            found.append(text[place + 1] + letter)
            skip = True
        else:
            near = _NEAR.get(letter.lower(), letter)
            found.append(near[random.integers(len(near))])
    return "".join(found)


def scanned(text: str, share: float, random: np.random.Generator) -> str:
    """So many of the letters that scanners mix up as another."""
    return "".join(
        _LOOKS[one] if one in _LOOKS and random.random() < share else one for one in text
    )


def capitals(text: str, share: float, random: np.random.Generator) -> str:
    """So many of the words in capitals."""
    return " ".join(one.upper() if random.random() < share else one for one in text.split(" "))


def plain(text: str, share: float, random: np.random.Generator) -> str:
    """Without accents and punctuation, in so many of the words."""
    return " ".join(_bare(one) if random.random() < share else one for one in text.split(" "))


def _bare(word: str) -> str:
    parts = unicodedata.normalize("NFKD", word)
    return "".join(one for one in parts if unicodedata.category(one)[0] in "LNS")


def shortened(text: str, share: float, random: np.random.Generator) -> str:
    """The first part of the words."""
    words = text.split(" ")
    return " ".join(words[: max(1, round(share * len(words)))])


def run_together(text: str, share: float, random: np.random.Generator) -> str:
    """So many of the spaces left out."""
    return "".join("" if one == " " and random.random() < share else one for one in text)


CHANGES: tuple[Change, ...] = (
    Change("typos", (0.02, 0.05, 0.1), "of the letters", typos),
    Change("scanned", (0.05, 0.1, 0.25), "of the letters", scanned),
    Change("capitals", (0.25, 0.5, 1.0), "of the words", capitals),
    Change("no accents, no points", (0.25, 0.5, 1.0), "of the words", plain),
    Change("cut short", (0.75, 0.5, 0.25), "of the words", shortened),
    Change("run together", (0.05, 0.1, 0.25), "of the spaces", run_together),
    Change("reworded", (0.33, 0.66, 1.0), "of what English says in two ways", reworded),
)


def unfamiliar(text: str, random: np.random.Generator) -> dict[str, str]:
    """What a user may write that is none of the classes, as long as a text."""
    letters = [chr(97 + one) for one in random.integers(0, 26, max(3, len(text)))]
    for place in range(5, len(letters), 6):
        letters[place] = " "
    words = text.split() or ["a"]
    return {
        "random letters": "".join(letters),
        "common words": " ".join(
            _WORDS[one] for one in random.integers(0, len(_WORDS), len(words))
        ),
    }
