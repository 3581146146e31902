"""Tables of the TFLite Model Metadata, written with the flatbuffers package alone.

The numbers are field positions of schema 1.5.0
(https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FEATURE, IMAGE, BOX, AUDIO = 1, 2, 3, 4


def tensor(
    b: Any,
    name: str,
    description: str,
    *,
    content: tuple[int, int],
    value_range: tuple[float, float] | None = None,
    process_units: Sequence[int] = (),
    files: Sequence[int] = (),
) -> int:
    """Describe one tensor.

    Args:
        b: The builder.
        name: Of the tensor.
        description: For people.
        content: What it holds, `FEATURE`, `IMAGE`, `BOX` or `AUDIO`, and the offset of the table
            that says more.
        value_range: Least and largest value.
        process_units: Offsets of what is done to it.
        files: Offsets of the files that belong to it.
    """
    kind, properties = content
    fields: dict[int, Any] = {
        0: b.CreateString(name),
        1: b.CreateString(description),
        3: table(b, 3, {0: ("Uint8", kind), 1: properties}),
    }
    if value_range:
        low, high = value_range
        fields[5] = table(b, 2, {0: floats(b, [high]), 1: floats(b, [low])})
    if process_units:
        fields[4] = tables(b, process_units)
    if files:
        fields[6] = tables(b, files)
    return table(b, 7, fields)


def table(b: Any, count: int, fields: Mapping[int, Any]) -> int:
    """A table of `count` fields: an offset, or a pair of type and number, for each one set."""
    b.StartObject(count)
    for slot, value in fields.items():
        if isinstance(value, tuple):
            kind, number = value
            getattr(b, f"Prepend{kind}Slot")(slot, number, 0)
        else:
            b.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(b.EndObject())


def tables(b: Any, offsets: Sequence[int]) -> int:
    """A vector of tables."""
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def floats(b: Any, values: Sequence[float]) -> int:
    """A vector of float32."""
    return int(b.CreateNumpyVector(np.asarray(values, np.float32)))
