"""What was found in a data set, in order and in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from kfine.data.labelled import Data
from kfine.data.shared_names import shared_parts
from kfine.examination.findings import Finding
from kfine.examination.origins import origin_sentences

# One class has so many times as many training examples as another.
_UNEVEN = 3
_FEW = 10
_NAMED = 3
# From the worst to what may well be right.
_ORDER = (
    "cannot be used",
    "duplicate with another label",
    "near duplicate with another label",
    "duplicate in two splits",
    "near duplicate in two splits",
    "label in doubt",
    "duplicate in one split",
    "near duplicate in one split",
    "unlike all others",
    "unlike the others in size",
)


def grouped(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Findings by kind, the gravest kinds first."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for one in findings:
        groups[one.kind].append(one)
    return {kind: groups[kind] for kind in sorted(groups, key=_ORDER.index)}


def classes(summary: Mapping[str, Any]) -> dict[str, list[int]]:
    """Name -> count in each split."""
    splits = [one["per_class"] for one in summary["splits"].values()]
    names = list(dict.fromkeys(name for one in splits for name in one))
    return {name: [one.get(name, 0) for one in splits] for name in names}


def sentences(
    data: Data,
    summary: Mapping[str, Any],
    by_kind: Mapping[str, Sequence[Finding]],
    deep: Mapping[str, Any],
) -> list[str]:
    """What matters most, in words."""
    found = []
    for kind, several in by_kind.items():
        names = ", ".join(list(dict.fromkeys(one.name for one in several))[:_NAMED])
        found.append(f"{kind}: {len(several)}, such as {names}")
    counts = Counter(summary["splits"].get("train", {}).get("per_class", {}))
    if counts and data.labels is not None and data.labels.classes:
        (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
        if many >= _UNEVEN * max(1, few):
            found.append(f"uneven classes: {many} training examples of {most}, {few} of {least}")
        small = sorted(name for name, count in counts.items() if count < _FEW)
        if small:
            found.append(
                f"fewer than {_FEW} training examples of {', '.join(small)}: too few to divide well"
            )
    found += [one.sentence() for one in shared_parts(data)]
    found += origin_sentences(data)
    # Duplicates are told above, example by example.
    found += [line for line in data.warnings if not line.startswith("the same content")]
    for split, one in deep["differences"].items():
        if one["differs"]:
            found.append(
                f"{split} does not look like training: a linear model tells them apart "
                f"(area under the ROC curve {one['auc']:.2f})"
            )
    for group in deep["weak"]:
        found.append(
            f"{group['count']} examples that look alike do badly: {group['right']:.0%} right, "
            f"elsewhere {group['elsewhere']:.0%}"
        )
    return found
