"""Cross-validation: the training examples in K parts, each of them the validation once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from kfine.data.columns import read_columns
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import ConfigError, DataError


def read_groups(data: str, column: str) -> dict[str, str]:
    """What a column of a manifest says of each example, such as the patient.

    Args:
        data: The source; a CSV, TSV or JSONL file, or a folder of such files for splits.
        column: Its column, or key.

    Returns:
        Names of examples with their group: of rows with a path that, else of their lines.

    Raises:
        DataError: The source has no columns, not this one, or it is empty somewhere.
    """
    (found,) = read_columns(data, [column], "Groups are a column", filled=True).values()
    return found


def fold_data(
    data: Data, count: int, seed: int, groups: Mapping[str, str] | None = None
) -> list[Data]:
    """Divide training and validation examples anew into K folds; the test split stays apart.

    Stratified: each fold has about the same share of each class. Examples of one group, and
    those with equal content, are never in training and validation at once.

    Args:
        data: With a training split.
        count: K, the number of folds.
        seed: Another seed, other folds.
        groups: Names of examples with their group.

    Returns:
        K data sets over the same rows; every example is in the validation of exactly one.

    Raises:
        ConfigError: There are not enough examples or groups for so many folds.
        DataError: An example has no group.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    pool = data.without_validation().train
    smallest = int(np.bincount(pool.strata).min())
    together = _together(pool, groups)
    if not 2 <= count <= min(smallest, len(set(together))):
        most = min(smallest, len(set(together)))
        raise ConfigError(
            f"There can be 2 to {most} folds: the smallest class has {smallest} examples to train "
            f"and validate on, in {len(set(together))} groups in all. Received: {count}"
        )
    divide = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    order = np.arange(len(pool))
    found = []
    for train, validation in divide.split(order, pool.strata, together):
        for rows in (train, validation):
            there = {pool.records[row].balanced for row in rows}
            missing = sorted({record.balanced for record in pool.records} - there)
            if missing:
                names = ", ".join(missing)
                raise ConfigError(
                    f"A fold has no example of {names}: its groups are too few for {count} folds."
                )
        splits = {"train": pool.take(train, "train")}
        splits["validation"] = pool.take(validation, "validation")
        if data.test is not None:
            splits["test"] = data.test
        found.append(replace(data, splits=splits))
    return found


def _together(pool: Split, groups: Mapping[str, str] | None) -> list[int]:
    """A number for each example, equal where examples must not be divided."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    # A part of a file has the group of that.
    keys = [one.name if groups and one.name in groups else one.together for one in pool.records]
    lacking = [
        one.name
        for one, key in zip(pool.records, keys, strict=True)
        if groups is not None and key not in groups
    ]
    if lacking:
        raise DataError(
            f"{len(lacking)} examples have no group, such as {lacking[0]}; fill in the column."
        )
    for key, digest, record in zip(keys, pool.digests, pool.records, strict=True):
        if groups is not None:
            parent[root(f"group {groups[str(key)]}")] = root(f"content {digest}")
        if record.together is not None:
            parent[root(f"together {record.together}")] = root(f"content {digest}")
    roots: Sequence[str] = [root(f"content {digest}") for digest in pool.digests]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(roots))}
    return [numbers[key] for key in roots]
