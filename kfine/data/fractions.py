"""Less of the training examples: what would have been learned from fewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from kfine.data.labelled import Data
from kfine.errors import ConfigError

# Of fewer examples nothing is learned that could be compared.
_LEAST = 10


def check_fractions(fractions: Sequence[float]) -> None:
    """Refuse what cannot be fractions of any data.

    Raises:
        ConfigError: They do not rise, are fewer than two, or not above 0 and at most 1.
    """
    rising = all(low < high for low, high in pairwise(fractions))
    if len(fractions) < 2 or not rising or not fractions[0] > 0 or fractions[-1] > 1:
        raise ConfigError(
            "Two fractions or more are wanted, above 0 and at most 1, in rising order, such as "
            f"0.25, 0.5 and 1. Received: {', '.join(f'{one:g}' for one in fractions) or 'none'}"
        )


def fraction_data(data: Data, fractions: Sequence[float], seed: int) -> list[Data]:
    """Data sets with a fraction of the training examples each; what is held out stays whole.

    Each holds the examples of all smaller ones and some more of each class.

    Args:
        data: With a training split.
        fractions: Above 0, at most 1, in rising order.
        seed: Decides which examples come first.

    Raises:
        ConfigError: A fraction cannot be taken, or two are of as many examples.
    """
    check_fractions(fractions)
    train = data.train
    generator = np.random.default_rng(seed)
    # How large the part of its class is that comes before an example, and it.
    shares = np.empty(len(train))
    for stratum in np.unique(train.strata):
        members = generator.permutation(np.flatnonzero(train.strata == stratum))
        shares[members] = np.arange(len(members)) / len(members)
    parts = [np.flatnonzero(shares < one) for one in fractions]
    counts = [len(one) for one in parts]
    if counts[0] < _LEAST or len(set(counts)) < len(counts):
        named = ", ".join(
            f"{one:g} ({count})" for one, count in zip(fractions, counts, strict=True)
        )
        raise ConfigError(
            f"Each fraction needs {_LEAST} training examples or more, and more than the one before "
            f"it. Received: {named} of {len(train)}"
        )
    return [
        replace(data, splits={**data.splits, "train": train.take(one, "train")}) for one in parts
    ]
