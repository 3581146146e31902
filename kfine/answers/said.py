"""What answers have in common that a model says one token after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kfine.answers import Described, Trivial

# What such a model gives: see `kfine.models.speech.transcriber` and `kfine.models.language.writer`.
TOKENS, CONFIDENCE = "token_ids", "confidence"
# Stands in target rows where there is no token.
NO_TOKEN = -1


def token_rows(found: Sequence[Sequence[int]]) -> np.ndarray:
    """Tokens of texts as int32 `(texts, tokens)`, with `NO_TOKEN` behind them."""
    rows = np.full((len(found), max(map(len, found), default=1)), NO_TOKEN, np.int32)
    for row, tokens in zip(rows, found, strict=True):
        row[: len(tokens)] = tokens
    return rows


def most_frequent(texts: Iterable[str]) -> Trivial:
    """The text that is there most often, of several the first in the alphabet, for all examples."""
    counts = Counter(texts)
    text = min(counts, key=lambda one: (-counts[one], one))
    return Trivial("majority", lambda examples: [text] * len(examples), {"text": text})


def token_losses(output: str, label_smoothing: float) -> dict[str, Any]:
    """Cross-entropy of the tokens that count."""
    from kfine.answers.losses import TagLoss

    return {output: TagLoss(label_smoothing)}


def token_metrics(output: str) -> dict[str, list[Any]]:
    """Share of the tokens that are the likeliest, the ones before them given."""
    from kfine.answers.losses import TagAccuracy

    return {output: [TagAccuracy(name="accuracy")]}


def exact_floats(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of tokens as float32, which is exact, as all that leaves a file."""
    import keras

    return {name: keras.ops.cast(one, "float32") for name, one in outputs.items()}


def token_tensors(of: str, longest: int, end: int) -> tuple[Described, Described]:
    """float32 `(batch, longest)`, whole numbers, and float32 `(batch,)`.

    Args:
        of: What the tokens are of, with its article.
        longest: How many there are at most.
        end: The token behind the last of them.
    """
    return (
        Described(
            TOKENS,
            ("tokens", f"Numbers of the tokens of {of}; {end} stands behind its end."),
            f"{longest}",
        ),
        Described(
            CONFIDENCE,
            ("confidence", "Geometric mean of the probabilities of the tokens."),
            "",
            (0.0, 1.0),
            rank=0,
        ),
    )


def described_tokens(end: int) -> dict[str, Any]:
    """What a file says of them: float32, both."""
    return {"names": [TOKENS, CONFIDENCE], "dtype": "float32", "end": end}
