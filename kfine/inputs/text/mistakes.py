"""Wrong predictions of texts, written for people to read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kfine.inputs import Mistake
from kfine.inputs.text.text import shown
from kfine.runs.files import write_text

NAME = "mistakes.csv"


def write_mistakes(folder: Path, examples: Any, mistakes: Sequence[Mistake]) -> str:
    """Write all mistakes with their texts, in their order.

    Args:
        folder: Where `mistakes.csv` goes.
        examples: The texts of the split, indexable with a list of numbers.
        mistakes: What is wrong.

    Raises:
        RunError: The folder cannot be written.
    """
    text = io.StringIO()
    names = ["label", "prediction", "probability", "text"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for one in mistakes:
        writer.writerow(
            {
                "label": one.label,
                "prediction": one.prediction,
                "probability": one.probability,
                "text": shown(examples[[one.index]][0]),
            }
        )
    write_text(folder / NAME, text.getvalue())
    return NAME
