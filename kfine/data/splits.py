"""Which example is for training, which for validation, which for the test."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kfine.data.records import Record
from kfine.errors import ConfigError, DataError


def assign_splits(
    records: Sequence[Record],
    *,
    validation_split: float,
    test_split: float,
    seed: int,
    digests: Sequence[str] | None = None,
    across: bool = False,
) -> tuple[list[Record], list[str]]:
    """Fill in the splits that the source does not give.

    A split that has any example is left alone; a missing one is carved from the training
    examples (those marked `train` or not marked), class by class. An example's place follows
    from a hash of the seed and its name, so the order of the files does not matter, and one
    more file moves at most one other of its class across each border. Each class gives at
    least one example to a carved split as long as one stays in training; validation goes first.

    Args:
        records: The examples; their order is kept.
        validation_split: Fraction 0 to 1 of the training examples, if there is no validation.
        test_split: The same for the test.
        seed: Another seed, another choice.
        digests: Content hashes in the order of `records`. Examples of a class with equal
            content then stay together, so that no carved split holds a training example.
        across: Whether examples of different classes stay together too, such as parts of one file.

    Returns:
        The records with their splits, and a sentence on each split that was made.

    Raises:
        ConfigError: The fractions leave nothing to train on.
    """
    if min(validation_split, test_split) < 0 or validation_split + test_split >= 1:
        raise ConfigError(
            "validation_split and test_split must be fractions from 0 that leave some examples "
            f"to train on. Received: {validation_split:g} and {test_split:g}"
        )
    present = {record.split for record in records}
    shares = {
        "validation": 0.0 if "validation" in present else validation_split,
        "test": 0.0 if "test" in present else test_split,
    }
    pool = [i for i, record in enumerate(records) if record.split in (None, "train")]
    by_label: dict[str, list[int]] = defaultdict(list)
    for i in pool:
        by_label[records[i].balanced].append(i)

    chosen = dict.fromkeys(pool, "train")
    if across:
        wanted = {label: _counts(len(members), shares) for label, members in by_label.items()}
        groups = _shuffled_groups(pool, records, seed, digests)
        for split in shares:
            missing = {label: counts[split] for label, counts in wanted.items()}
            for i in _take_across(groups, missing, records):
                chosen[i] = split
    else:
        for members in by_label.values():
            groups = _shuffled_groups(members, records, seed, digests)
            for split, count in _counts(len(members), shares).items():
                for i in _take(groups, count):
                    chosen[i] = split
    result = [replace(r, split=chosen.get(i, r.split)) for i, r in enumerate(records)]
    notes = [
        f"the {split} split was carved from training: "
        f"{sum(made == split for made in chosen.values())} of {len(pool)} examples "
        f"({share * 100:.3g} %, stratified, seed {seed})"
        for split, share in shares.items()
        if share > 0
    ]
    return result, notes


def restore_splits(
    records: Sequence[Record],
    digests: Sequence[str],
    split_lists: Mapping[str, Any],
    *,
    classes: bool = True,
) -> tuple[list[Record], list[str]]:
    """Give each example the split that it had in a former run.

    An example that the run did not know keeps the split that its source gives it, and goes to
    training if it gives none.

    Args:
        records: The examples; their order is kept.
        digests: Their content hashes.
        split_lists: Split -> list of `{"name", "label", "digest"}`.
        classes: Whether labels are classes, which must be those of the run.

    Returns:
        The records with their splits, and a sentence on each kind of difference.

    Raises:
        DataError: The run had other classes.
    """
    known: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for split, items in split_lists.items():
        for item in items:
            known[item["name"]][split] = (item["label"], item["digest"])
    if classes:
        _same_classes(records, {label for on in known.values() for label, _ in on.values()})

    result, new, changed = [], [], []
    for record, digest in zip(records, digests, strict=True):
        places = known.get(record.name)
        if places is None:
            new.append(record.name)
            result.append(replace(record, split=record.split or "train"))
            continue
        split = record.split if record.split in places else next(iter(places))
        if places[split] != (record.written, digest):
            changed.append(record.name)
        result.append(replace(record, split=split))
    gone = sorted(set(known) - {record.name for record in records})
    return result, [
        f"{len(names)} examples {what}, such as {names[0]}"
        for names, what in (
            (new, "are new since the run and train unless their source says otherwise"),
            (changed, "have another content or label than in the run"),
            (gone, "of the run are gone"),
        )
        if names
    ]


def _same_classes(records: Sequence[Record], before: set[str]) -> None:
    now = {record.written for record in records}
    if now != before:
        differences = [f"{name!r} is new" for name in sorted(now - before)]
        differences += [f"{name!r} is gone" for name in sorted(before - now)]
        raise DataError(
            f"the classes are not those of the run ({', '.join(differences[:5])}): "
            "start a new run, or give the data as it was"
        )


def _counts(members: int, shares: dict[str, float]) -> dict[str, int]:
    """How many of a class go to each carved split."""
    left = members - 1
    counts = {}
    for split in ("validation", "test"):
        wanted = max(1, round(members * shares[split])) if shares[split] > 0 else 0
        counts[split] = min(wanted, left)
        left -= counts[split]
    return counts


def _shuffled_groups(
    members: list[int], records: Sequence[Record], seed: int, digests: Sequence[str] | None
) -> list[list[int]]:
    """Examples that must stay together, in an order that only seed and names decide."""
    together: dict[str, list[int]] = defaultdict(list)
    for i in sorted(members, key=lambda i: records[i].name):
        together[digests[i] if digests is not None else str(i)].append(i)

    def place(group: list[int]) -> bytes:
        return hashlib.sha256(f"{seed}/{records[group[0]].name}".encode()).digest()

    return sorted(together.values(), key=place)


def _take_across(
    groups: list[list[int]], missing: dict[str, int], records: Sequence[Record]
) -> list[int]:
    """Remove groups as long as they bring more of what a split misses than it has too much.

    Args:
        groups: Those that nobody has.
        missing: How many of each class the split wants; counted down.
        records: The examples.
    """
    taken: list[int] = []
    left: list[list[int]] = []
    there = Counter(records[i].balanced for group in groups for i in group)
    for group in groups:
        counts = Counter(records[i].balanced for i in group)
        useful = sum(min(count, max(0, missing[label])) for label, count in counts.items())
        # Each class goes on training.
        if 2 * useful > len(group) and all(there[one] > count for one, count in counts.items()):
            taken.extend(group)
            there -= counts
            for label, count in counts.items():
                missing[label] -= count
        else:
            left.append(group)
    groups[:] = left
    return taken


def _take(groups: list[list[int]], count: int) -> list[int]:
    """Remove the first groups that fit into a count; larger ones stay."""
    taken: list[int] = []
    left = []
    for group in groups:
        if len(taken) + len(group) <= count:
            taken.extend(group)
        else:
            left.append(group)
    groups[:] = left
    return taken
