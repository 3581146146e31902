"""Whether what made examples, such as the camera, goes with their labels."""

from __future__ import annotations

from collections import Counter

import numpy as np

from kfine.data.labelled import Data

# Of fewer examples, or a weaker association, nothing is said.
_LEAST, _STRONG, _CHANCE = 20, 0.3, 0.01


def origin_sentences(data: Data) -> list[str]:
    """Sentences on what made the examples, where their files say it.

    Cramér's V of 0.3 or more (H. Cramér, Mathematical Methods of Statistics, 1946) counts, where
    the p value of the chi-squared test is at most 0.01: a model may learn the camera in place of
    what it shows.
    """
    origins = getattr(data.examiner, "origins", None)
    if origins is None or data.labels is None or not data.labels.classes:
        return []
    pairs: list[tuple[str, str]] = []
    made_by: dict[str, Counter[str]] = {}
    called = ""
    for split in data.splits.values():
        called, values = origins(split)
        known = [(one, str(label)) for one, label in zip(values, split.labels, strict=True) if one]
        pairs += known
        made_by[split.name] = Counter(value for value, _ in known)
    return [*_with_labels(called, pairs), *_new_ones(called, made_by)]


def _with_labels(called: str, pairs: list[tuple[str, str]]) -> list[str]:
    from scipy.stats import chi2_contingency
    from scipy.stats.contingency import association

    values = sorted({value for value, _ in pairs})
    labels = sorted({label for _, label in pairs})
    if len(pairs) < _LEAST or len(values) < 2 or len(labels) < 2:
        return []
    table = np.zeros((len(values), len(labels)), int)
    for value, label in pairs:
        table[values.index(value), labels.index(label)] += 1
    strength = float(association(table, method="cramer"))
    if strength < _STRONG or chi2_contingency(table).pvalue > _CHANCE:
        return []
    of_labels = table.sum(axis=0)
    others = table.sum(axis=1, keepdims=True) - table
    lead = table / of_labels - others / np.maximum(1, of_labels.sum() - of_labels)
    row, column = divmod(int(lead.argmax()), len(labels))
    return [
        f"the {called} goes with the class (Cramér's V {strength:.2f}, of {len(pairs)} examples "
        f"whose files name it): {values[row]} made "
        f"{table[row, column]} of {of_labels[column]} examples of {labels[column]}, and "
        f"{others[row, column]} of {of_labels.sum() - of_labels[column]} others; a model may learn "
        f"the {called}"
    ]


def _new_ones(called: str, made_by: dict[str, Counter[str]]) -> list[str]:
    found = []
    train = made_by.get("train", Counter())
    for split, counts in made_by.items():
        new = [value for value in counts if value not in train]
        if split != "train" and train and new:
            count = sum(counts[value] for value in new)
            found.append(
                f"{split}: {count} of {counts.total()} examples are by a {called} that training "
                f"has not ({', '.join(sorted(new)[:3])})"
            )
    return found
