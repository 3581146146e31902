"""The same said otherwise: contractions and everyday words of English, in both directions."""

from __future__ import annotations

import re

import numpy as np

_PAIRS = """
do not / don't, does not / doesn't, did not / didn't, is not / isn't, are not / aren't,
was not / wasn't, were not / weren't, cannot / can't, could not / couldn't,
would not / wouldn't, should not / shouldn't, will not / won't, have not / haven't,
has not / hasn't, i am / i'm, it is / it's, that is / that's, there is / there's,
what is / what's, you are / you're, we are / we're, they are / they're, i will / i'll,
you will / you'll, i have / i've, you have / you've, we have / we've, film / movie,
start / begin, stop / end, buy / purchase, help / aid, big / large, small / little,
quick / fast, sad / unhappy, also / too, show / display, answer / reply, ask / inquire,
get / obtain, keep / retain, need / require, use / employ, try / attempt, children / kids,
maybe / perhaps, almost / nearly, often / frequently, enough / sufficient, about / regarding,
but / yet, very / extremely, many / numerous, whole / entire, story / tale, funny / amusing,
boring / dull, clever / smart, happy / glad, hard / difficult, because / since,
phone / telephone, photo / picture, shop / store, bring / take along, wait / stay,
free / at no cost, now / right now
"""
_OTHER = {
    one: other
    for pair in (found.strip().split(" / ") for found in _PAIRS.split(","))
    for one, other in (pair, pair[::-1])
}
_FOUND = re.compile(
    r"\b(" + "|".join(map(re.escape, sorted(_OTHER, key=len, reverse=True))) + r")\b",
    re.IGNORECASE,
)


def reworded(text: str, share: float, random: np.random.Generator) -> str:
    """So many of the words and contractions that another stands for, said otherwise."""

    def other(found: re.Match[str]) -> str:
        if random.random() >= share:
            return found[0]
        said = _OTHER[found[0].lower()]
        if found[0].isupper() and len(found[0]) > 1:
            return said.upper()
        return said[0].upper() + said[1:] if found[0][0].isupper() else said

    return _FOUND.sub(other, text)
