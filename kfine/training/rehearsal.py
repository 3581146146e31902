"""Other data of the same labels that a run trains on too, so that it goes on knowing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kfine.console import Console
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import DataError
from kfine.recipe import Recipe

_MOST_NAMED = 5


def with_rehearsal(data: Data, module: Recipe, config: Any, console: Console) -> Data:
    """The data of a run, with what its setting `rehearse` names beside it.

    Of the other data's training examples as many are drawn as there are own ones, so that both
    count alike. Those that the own data holds too are left out: they may be held out there, or in
    one of its folds.

    Args:
        data: Of the run.
        module: Its recipe, which reads the other data as it does the run's own.
        config: Its settings.
        console: Hears of the progress, and of what is rehearsed.

    Raises:
        DataError: The other data cannot be read, has labels that the own has not, or nothing that
            the own has not.
    """
    from kfine.training.data import warn_set_aside, with_columns

    if not config.rehearse:
        return data
    found = {name: value for name, value in data.settings.items() if value is not None}
    asked = replace(with_columns(config, data.columns, config.rehearse), **found)
    progress = console.count("reading the data to rehearse")
    other = module.load_data(asked, config.rehearse, progress=progress)
    unknown = sorted(set(other.class_names) - set(data.class_names))
    if unknown:
        raise DataError(
            f"rehearse takes data of the same labels, {_listed(data.class_names)}. Received: "
            f"{config.rehearse}, which has {_listed(unknown)} too"
        )
    warn_set_aside(other, console)
    own = {name: set(split.digests) for name, split in data.splits.items()}
    train = _without(other.train, set().union(*own.values()))
    if not len(train):
        raise DataError(
            f"rehearse takes other data. Received: {config.rehearse}, whose {len(other.train)} "
            f"training examples are in {data.source} too"
        )
    count = min(len(train), len(data.train))
    drawn = np.sort(np.random.default_rng(config.seed).permutation(len(train))[:count])
    splits = {"train": train.take(drawn, "train")}
    if other.test is not None:
        splits["test"] = _without(other.test, own["train"] | own.get("validation", set()))
    console.say(f"rehearsing {count} of {len(other.train)} training examples of {config.rehearse}")
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


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more
