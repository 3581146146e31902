"""Other data of the same labels that a run trains on too, so that it goes on knowing it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kfine.data.checks import listed
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import DataError


def beside(data: Data, other: Data, seed: int) -> Data:
    """The data of a run, with what it rehearses beside it.

    Of the other data's training examples as many are drawn as there are own ones, so that both
    count alike. Those that the own data holds too are left out: they may be held out there, or in
    one of its folds.

    Args:
        data: Of the run.
        other: What its setting `rehearse` names, as its recipe reads it.
        seed: Of the drawing.

    Raises:
        DataError: The other data has labels that the own has not, or nothing that it has not.
    """
    unknown = sorted(set(other.class_names) - set(data.class_names))
    if unknown:
        raise DataError(
            f"rehearse takes data of the same labels, {listed(data.class_names)}. Received: "
            f"{other.source}, which has {listed(unknown)} too"
        )
    own = {name: set(split.digests) for name, split in data.splits.items()}
    train = _without(other.train, set().union(*own.values()))
    if not len(train):
        raise DataError(
            f"rehearse takes other data. Received: {other.source}, whose {len(other.train)} "
            f"training examples are in {data.source} too"
        )
    count = min(len(train), len(data.train))
    drawn = np.sort(np.random.default_rng(seed).permutation(len(train))[:count])
    splits = {"train": train.take(drawn, "train")}
    if other.test is not None:
        splits["test"] = _without(other.test, own["train"] | own.get("validation", set()))
    return replace(data, rehearsal=replace(other, splits=splits))


def rehearsed(data: Data) -> Data:
    """The data of a run, with the examples to rehearse among those to train on."""
    if data.rehearsal is None:
        return data
    train = data.train.joined(data.rehearsal.train)
    return replace(data, splits={**data.splits, "train": train}, rehearsal=None)


def _without(split: Split, digests: set[str]) -> Split:
    """The examples of a split whose content is not among these."""
    kept = [number for number, digest in enumerate(split.digests) if digest not in digests]
    return split.take(kept, split.name)
