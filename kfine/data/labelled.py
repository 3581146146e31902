"""A labelled data set in splits, with what was found out about it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from kfine.data.examining import Examiner
from kfine.data.labels import LabelReader
from kfine.data.records import SPLITS, NearDuplicate, SetAside
from kfine.data.split import Split

# Of fewer training examples an encoder gains a point over its head alone, in ten times as long.
FEW_EXAMPLES = 20
# Of more texts, what a head would find in the middle layer of an encoder comes to the last one.
SMALL = 300


@dataclass(frozen=True)
class Data:
    """A data set and the truth about it.

    Attributes:
        source: What the user gave.
        kind: As in `Source`.
        class_names: What the labels tell apart, in order: classes, tags, columns.
        splits: By name; train comes first.
        set_aside: What could not be used.
        warnings: Sentences on what looks wrong.
        notes: Sentences on how the splits were made.
        shared: Content hash and (split, name) of content that is in two splits.
        counted: Split -> name -> how often it occurs in the labels there.
        near_duplicates: Held-out texts that training holds almost; None if not looked for.
        columns: As in `Source`.
        settings: What the reader found in the examples, by the setting that says the same.
        rehearsal: Other data of these labels, whose training examples are learned from too.
        examiner: What can be said of the examples without a model; `None` where nothing can.
        labels: How the labels were read.
        cleaned: What a clean-list left out and labelled anew, see `kfine.data.clean_list`.
        as_it_was: Split -> what `split_lists` would say of those examples without it.
    """

    source: str
    kind: str
    class_names: tuple[str, ...]
    splits: dict[str, Split]
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    shared: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    counted: dict[str, dict[str, int]] = field(default_factory=dict)
    near_duplicates: tuple[NearDuplicate, ...] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    rehearsal: Data | None = None
    examiner: Examiner | None = field(default=None, repr=False, compare=False)
    labels: LabelReader | None = field(default=None, repr=False, compare=False)
    cleaned: Mapping[str, Any] = field(default_factory=dict)
    as_it_was: Mapping[str, list[dict[str, str]]] = field(default_factory=dict)

    @property
    def train(self) -> Split:
        """The training split."""
        return self.splits["train"]

    @property
    def validation(self) -> Split | None:
        """The validation split, if there is one."""
        return self.splits.get("validation")

    @property
    def test(self) -> Split | None:
        """The test split, if there is one."""
        return self.splits.get("test")

    def without_validation(self) -> Data:
        """The same data, with the validation examples among those to train on, by name."""
        if self.validation is None:
            return self
        both = self.train.joined(self.validation)
        order = sorted(range(len(both)), key=lambda index: both.names[index])
        held = {name: split for name, split in self.splits.items() if name != "validation"}
        return replace(self, splits={**held, "train": both.take(order, "train")})

    @property
    def few(self) -> bool:
        """Whether the training examples are too few to train more than a head on."""
        return len(self.train) < FEW_EXAMPLES

    @property
    def small(self) -> bool:
        """Whether the examples to learn from and to validate on are few, taken together."""
        return sum(len(one) for name, one in self.splits.items() if name != "test") <= SMALL

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the sorted (split, content hash, label) of all examples used.

        Those that are rehearsed are among them.
        """
        lines = sorted(
            f"{split.name}\t{digest}\t{record.written}\n"
            for split in self.splits.values()
            for digest, record in zip(split.digests, split.records, strict=True)
        )
        if self.rehearsal is not None:
            lines.append(f"rehearsal\t{self.rehearsal.fingerprint}\n")
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def summary(self) -> dict[str, Any]:
        """What was seen, used and set aside, ready for JSON.

        A broken file of a source without splits counts as training: it would have been carved
        from there.
        """
        aside = Counter(item.split or "train" for item in self.set_aside)
        splits = {}
        for name in (name for name in SPLITS if name in self.splits or aside[name]):
            records = self.splits[name].records if name in self.splits else ()
            splits[name] = {
                "seen": len(records) + aside[name],
                "used": len(records),
                "set_aside": aside[name],
                "per_class": self.counted.get(name, {}),
            }
        found = {
            "source": self.source,
            "kind": self.kind,
            "class_names": list(self.class_names),
            "splits": splits,
            "set_aside": [vars(item) for item in self.set_aside],
            "shared": [
                {"digest": digest, "files": [{"split": s, "name": n} for s, n in places]}
                for digest, places in self.shared
            ],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "columns": dict(self.columns),
            "fingerprint": self.fingerprint,
        }
        if self.rehearsal is not None:
            used = {name: len(split) for name, split in self.rehearsal.splits.items()}
            found["rehearsal"] = {"source": self.rehearsal.source, "used": used}
        if self.cleaned:
            found["cleaned"] = dict(self.cleaned)
        if self.near_duplicates is not None:
            found["near_duplicates"] = [asdict(pair) for pair in self.near_duplicates]
        return found

    def split_lists(self) -> dict[str, list[dict[str, str]]]:
        """Which example is where, ready for JSON: `load_images` or `load_texts` takes it back.

        Those that a clean-list left out or labelled anew are among them as they were.
        """
        lists = {
            name: list(self.as_it_was.get(name, ())) for name in {**self.splits, **self.as_it_was}
        }
        for name, split in self.splits.items():
            touched = {one["name"] for one in lists[name]}
            lists[name] += [
                {"name": record.name, "label": record.written, "digest": digest}
                for record, digest in zip(split.records, split.digests, strict=True)
                if record.name not in touched
            ]
        return lists
