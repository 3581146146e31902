"""What comes out of an exported file, and what it means: the probabilities of classes.

A task whose model answers otherwise begins here: the names and shapes of its outputs, how they
are described, and what a damaged file gives instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfine.errors import ExportError

NAME = "probabilities"


def describe_output(quantize: str) -> dict[str, Any]:
    """The output's name and type in a file of some quantization; JSON-able."""
    if quantize == "int8-full":
        return {"name": NAME, "dtype": "uint8", "scale": 1 / 256, "zero": 0}
    return {"name": NAME, "dtype": "float32"}


def require_classes(found: np.ndarray, labels: Sequence[str], path: Path) -> np.ndarray:
    """The probabilities `(classes,)` of one example.

    Args:
        found: What the file gave for it, `(1, classes)`.
        labels: The classes that the file knows.
        path: The file.

    Raises:
        ExportError: There are more or fewer than the file has labels.
    """
    if found.shape != (1, len(labels)):
        raise ExportError(
            f"{path} is damaged: it has {len(labels)} labels and gives {found.shape}."
        )
    row: np.ndarray = found[0]
    return row


def named(row: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """One answer as the golden examples state it; JSON-able."""
    return {
        "top": labels[int(row.argmax())],
        NAME: {name: round(float(value), 6) for name, value in zip(labels, row, strict=True)},
    }
