"""What is wrong with a data set, found before anything is computed."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from kfine.data.labels import Known
from kfine.data.records import Record, SetAside
from kfine.errors import DataError


def check_labels(
    records: Sequence[Record], set_aside: Sequence[SetAside] = ()
) -> tuple[tuple[str, ...], list[str]]:
    """Check that there is something to tell apart.

    Args:
        records: The examples.
        set_aside: Those that cannot be used, one of which is named where too little is left.

    Returns:
        The class names in alphabetical order, and warnings on labels that differ only in
        case, in space, or in how Unicode writes the same letters.

    Raises:
        DataError: No examples, one class only, or a class with one example.
    """
    counts = Counter(record.label for record in records)
    lost = ""
    if set_aside:
        first = set_aside[0]
        lost = f"; {len(set_aside)} examples were set aside, such as {first.name}: {first.reason}"
    if not counts:
        raise DataError("there are no examples: put them in one folder per class" + lost)
    names = tuple(sorted(counts))
    if len(names) == 1:
        raise DataError(
            f"there is only one class, {names[0]!r} with {_examples(counts[names[0]])}: "
            f"a classifier needs at least two{lost}"
        )
    single = [name for name in names if counts[name] == 1]
    if single:
        plural = "class" if len(single) == 1 else "classes"
        raise DataError(
            f"only one example in the {plural} {listed(single)}: add more (two are the least, "
            f"one to train and one to validate) or remove the {plural}{lost}"
        )
    return names, _look_alikes(counts)


def check_decoded(
    class_names: Sequence[str], records: Sequence[Record], set_aside: Sequence[SetAside]
) -> None:
    """Check again what is left after broken files were set aside.

    Args:
        class_names: All classes that there were before; empty if any will do.
        records: The examples that could be decoded.
        set_aside: Those that could not.

    Raises:
        DataError: Nothing is left, or a class has none or only one left.
    """
    if not records:
        first = set_aside[0]
        raise DataError(
            f"none of the {len(set_aside)} examples can be read (the first, {first.name}: "
            f"{first.reason})"
        )
    if not class_names:
        return
    left = {record.label for record in records}
    lost = [name for name in class_names if name not in left]
    if lost:
        raise DataError(
            f"not one file of the class {listed(lost)} can be read as an image: "
            "replace the files or remove the class"
        )
    check_labels(records)


def check_known_labels(records: Sequence[Record], like: Known) -> None:
    """Check that a model knows all labels.

    Args:
        records: The examples.
        like: What the model knows.

    Raises:
        DataError: Naming the labels that it does not know, and an example that has one.
    """
    unknown: dict[str, str] = {}
    for record in records:
        for name in like.unknown(record.label):
            unknown.setdefault(name, record.name)
    if unknown:
        names = sorted(unknown)
        raise DataError(
            f"the model does not know the {like.called} {listed(names)} (such as that of "
            f"{unknown[names[0]]}): it was trained on {listed(like.names, 20)}"
        )


def check_training(class_names: Sequence[str], records: Sequence[Record]) -> None:
    """Check that each class has something to learn from.

    Args:
        class_names: All classes; empty if labels are none.
        records: The examples with their splits.

    Raises:
        DataError: Naming the classes without a training example.
    """
    training = [record for record in records if record.split == "train"]
    if not training:
        raise DataError("there are no training examples: all are in validation or test")
    # Labels that are no classes need not be hashable.
    trained = {record.label for record in training} if class_names else set()
    missing = [name for name in class_names if name not in trained]
    if missing:
        raise DataError(
            f"no training example of {listed(missing)}: add some to the training split "
            "or remove them from the others"
        )


def find_shared(
    items: Iterable[tuple[str, str, str]],
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Find content that is in two splits.

    Args:
        items: Content hash, split and name of each example.

    Returns:
        Content hash and all its (split, name), sorted, for each content in more than one split.
    """
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for digest, split, name in items:
        places[digest].append((split, name))
    return sorted(
        (digest, sorted(found))
        for digest, found in places.items()
        if len({split for split, _ in found}) > 1
    )


def content_warnings(
    found: Sequence[tuple[str, Record]], shared: Sequence[tuple[str, list[tuple[str, str]]]]
) -> list[str]:
    """Sentences on content that is in two splits, and on content that has two labels.

    Args:
        found: Content hash and record of each example.
        shared: What `find_shared` found.
    """
    warnings = []
    if shared:
        files = " and ".join(f"{name} ({split})" for split, name in shared[0][1][:2])
        warnings.append(
            f"the same content is in more than one split, {len(shared)} times, such as {files}: "
            "scores on these examples are too good"
        )
    labelled = find_shared((digest, record.written, record.name) for digest, record in found)
    if labelled:
        files = " and ".join(f"{name} ({label!r})" for label, name in labelled[0][1][:2])
        warnings.append(
            f"the same content has more than one label, {len(labelled)} times, such as {files}"
        )
    return warnings


def _look_alikes(labels: Iterable[str]) -> list[str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        key = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
        groups[key].append(label)
    return [
        f"the labels {listed(group)} differ only in case, space or Unicode form and are "
        "treated as different classes"
        for group in groups.values()
        if len(group) > 1
    ]


def _examples(count: int) -> str:
    return "one example" if count == 1 else f"{count} examples"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in quotation marks, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
