"""What can be said of texts without a model."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.data.examining import Alike
from kfine.inputs.text.changes import CHANGES, unfamiliar
from kfine.inputs.text.duplicates import MOST_CHARACTERS, MOST_TRAINING_TEXTS, alike_texts

if TYPE_CHECKING:
    from kfine.data.records import Record
    from kfine.data.split import Split

_SHOWN = 400  # characters


class TextExaminer:
    """Lengths, and texts that differ in a few signs."""

    many = "texts"
    changes = CHANGES

    def measure(self, split: Split) -> dict[str, np.ndarray]:
        """Characters and words."""
        texts = split.examples()
        return {
            "characters": np.array([len(one) for one in texts], np.float64),
            "words": np.array([len(one.split()) for one in texts], np.float64),
        }

    def alike(self, rows: Any) -> tuple[list[Alike], str]:
        """As `alike_texts`, where there are not too many."""
        texts = list(rows[list(range(len(rows)))])
        if len(texts) > MOST_TRAINING_TEXTS or sum(map(len, texts)) > MOST_CHARACTERS:
            return [], f"texts that are nearly the same: there are {len(texts)}, too many"
        return alike_texts(texts), ""

    def unfamiliar(self, example: Any, random: np.random.Generator) -> dict[str, Any]:
        """As `unfamiliar` of the changes."""
        return unfamiliar(example, random)

    def html(self, example: Any, record: Record) -> str:
        """The beginning of a text."""
        more = " …" if len(example) > _SHOWN else ""
        return f"<p>{html.escape(example[:_SHOWN])}{more}</p>"
