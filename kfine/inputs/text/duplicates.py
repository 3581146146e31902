"""Held-out texts that the training texts hold too, but for a few signs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kfine.data.examining import Alike
from kfine.data.records import NearDuplicate
from kfine.data.split import Split

SIMILARITY = 0.9
MOST_TRAINING_TEXTS = 50_000
# Some six seconds and 450 MB.
MOST_CHARACTERS = 10_000_000

_GRAM = 5
_HASHES = 2**20
# Bounds the memory of one sparse product, at some 16 bytes each.
_PRODUCTS = 4_000_000
_COMPARED = 2_000
_ROUNDING = 1e-9
# Below SIMILARITY. Nearer to it, products cost less and let more pairs through to compare.
_DROPPED = 0.7


def find_near_duplicates(
    splits: Mapping[str, Split],
) -> tuple[tuple[NearDuplicate, ...], list[str]]:
    """Look for each validation and test text among the training texts.

    Two texts are near duplicates if they are equal as `normalized`, or if the cosine between
    their counts of runs of five characters (scikit-learn's `HashingVectorizer`) is 0.9 or more.
    Exact duplicates are left to `find_shared`. With more than 50,000 training texts or 10
    million characters in all there is no cosine, because it would take long.

    Args:
        splits: With texts as inputs, by name.

    Returns:
        One pair for each held-out text that has a near duplicate, and sentences that warn.
    """
    train = splits.get("train")
    if train is None:
        return (), []
    exact = set(train.digests)
    places, held_out = [], []
    for split in (splits[name] for name in ("validation", "test") if name in splits):
        for name, digest, text in zip(split.names, split.digests, _texts(split), strict=True):
            if digest not in exact:
                places.append((split.name, name))
                held_out.append(text)
    texts = _texts(train)
    matches = _equal(held_out, texts)
    reason = _too_many(texts, held_out)
    if not reason:
        left = [i for i in range(len(held_out)) if i not in matches]
        near = similar_texts([held_out[i] for i in left], texts)
        matches |= {left[i]: match for i, match in near.items()}
    found = [
        NearDuplicate(*places[i], train.names[match], round(similarity, 4))
        for i, (match, similarity) in sorted(matches.items())
    ]
    return tuple(found), [sentence for sentence in (_sentence(found), reason) if sentence]


def normalized(text: str) -> str:
    """A text after Unicode NFKC and case folding, without punctuation and space."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_KEPT)


def alike_texts(texts: Sequence[str]) -> list[Alike]:
    """Pairs of near duplicates: each text with the most similar of those before it."""
    earlier: dict[str, int] = {}
    found: dict[int, tuple[int, float]] = {}
    for number, key in enumerate(map(normalized, texts)):
        first = earlier.setdefault(key, number) if key else number
        if first != number:
            found[number] = first, 1.0
    near = similar_texts(texts, texts, earlier=True)
    found = near | found
    return [Alike(one, number, round(value, 4)) for number, (one, value) in sorted(found.items())]


def similar_texts(
    texts: Sequence[str], others: Sequence[str], *, earlier: bool = False
) -> dict[int, tuple[int, float]]:
    """The most similar of the other texts, for each text that has one at a cosine of 0.9.

    Args:
        texts: Those to look for.
        others: Those to look among.
        earlier: Whether both are the same, and only those before a text are looked among.

    Returns:
        Number of the text -> number of the other, and the cosine.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    if not texts or not others:
        return {}
    hashing = HashingVectorizer(
        analyzer="char", ngram_range=(_GRAM, _GRAM), n_features=_HASHES, alternate_sign=False
    )
    counts, other_counts = hashing.transform(texts), hashing.transform(others)
    rare, dropped = _rare_part(counts, np.bincount(other_counts.indices, minlength=_HASHES))
    by_hash = other_counts.T.tocsr()
    best: dict[int, tuple[int, float]] = {}
    for start, stop in _chunks(rare, np.diff(by_hash.indptr)):
        product = (rare[start:stop] @ by_hash).tocoo()
        rows, columns = product.row + start, product.col
        near = product.data >= SIMILARITY - dropped[rows] - _ROUNDING
        close = np.flatnonzero(near & (columns < rows) if earlier else near)
        for some in np.array_split(close, len(close) // _COMPARED + 1):
            both = counts[rows[some]].multiply(other_counts[columns[some]])
            cosines = np.asarray(both.sum(axis=1)).ravel()
            for row, column, cosine in zip(rows[some], columns[some], cosines, strict=True):
                if cosine >= max(SIMILARITY - _ROUNDING, best.get(row, (0, 0.0))[1] + _ROUNDING):
                    best[int(row)] = (int(column), min(1.0, float(cosine)))
    return best


def _rare_part(counts: Any, frequency: np.ndarray) -> tuple[Any, np.ndarray]:
    """The rarest hashes of each row: enough that no similar pair can do without them.

    A row x is cut into x = r + d, d being its most frequent hashes with a length below 0.7.
    As rows have length 1, x·y >= 0.9 needs r·y >= 0.9 - |d| > 0: looking at r alone loses no
    pair and spares the products of hashes that every text has.

    Reference: R. Bayardo, Y. Ma, R. Srikant, Scaling Up All Pairs Similarity Search, 2007.

    Returns:
        r of each row, and the lengths of d.
    """
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    order = np.lexsort((-frequency[counts.indices], rows))
    squares = np.cumsum(counts.data[order] ** 2)
    begins = np.concatenate([[0.0], squares])[counts.indptr[:-1]]
    squares -= begins[rows]
    drop = squares < _DROPPED**2
    lengths = np.zeros(counts.shape[0])
    np.maximum.at(lengths, rows[drop], np.sqrt(np.maximum(squares[drop], 0)))
    rare = counts.copy()
    rare.data[order[drop]] = 0
    rare.eliminate_zeros()
    return rare, lengths


def _chunks(rows: Any, frequency: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose product with the others stays small."""
    work = np.concatenate([[0], np.cumsum(frequency[rows.indices])])[rows.indptr]
    start = 0
    while start < rows.shape[0]:
        stop = int(np.searchsorted(work, work[start] + _PRODUCTS, side="right")) - 1
        stop = max(start + 1, stop)
        yield start, stop
        start = stop


def _equal(texts: Sequence[str], others: Sequence[str]) -> dict[int, tuple[int, float]]:
    places: dict[str, int] = {}
    for i, text in enumerate(others):
        places.setdefault(normalized(text), i)
    places.pop("", None)  # Two rows of dots say nothing alike.
    keys = enumerate(map(normalized, texts))
    return {i: (places[key], 1.0) for i, key in keys if key in places}


def _texts(split: Split) -> list[str]:
    return split.inputs[range(len(split))].tolist()


def _too_many(train: Sequence[str], held_out: Sequence[str]) -> str:
    characters = sum(map(len, train)) + sum(map(len, held_out))
    if len(train) <= MOST_TRAINING_TEXTS and characters <= MOST_CHARACTERS:
        return ""
    return (
        f"among {len(train)} training texts with {characters / 1e6:.0f} million characters in all, "
        "only held-out texts that are equal but for case, punctuation and space were looked for, "
        "and not those that are nearly equal"
    )


def _sentence(found: Sequence[NearDuplicate]) -> str:
    if not found:
        return ""
    first = found[0]
    similarity = f"similarity {first.similarity:.2f}"
    count = "one held-out text is" if len(found) == 1 else f"{len(found)} held-out texts are"
    return (
        f"{count} nearly the same as a training text, such as {first.name} ({first.split}) and "
        f"{first.train_name} ({similarity}): scores on these examples are too good"
    )


class _Kept(dict[int, int | None]):
    """Which characters count, found out when they are first met."""

    def __missing__(self, code: int) -> int | None:
        unimportant = unicodedata.category(chr(code))[0] in "PZ" or chr(code).isspace()
        self[code] = None if unimportant else code
        return self[code]


_KEPT = _Kept()
