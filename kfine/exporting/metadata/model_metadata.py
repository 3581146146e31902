"""TFLite Model Metadata: what MediaPipe, Android Studio and LiteRT's tools read in a `.tflite`.

The `ModelMetadata` flatbuffer lies in a buffer of the model that is named `TFLITE_METADATA`;
the files that it names are a zip behind the model. Written against schema 1.5.0
(https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs)
with the flatbuffers package alone. The numbers below are that schema's field positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np

from kfine.answers import Described
from kfine.exporting.metadata.embedding import aligned
from kfine.inputs.metadata import BOX, FEATURE, table, tables, tensor

BUFFER_NAME = "TFLITE_METADATA"
IDENTIFIER = b"M001"
# Every field below has been in the schema from its beginning, but for custom metadata.
MIN_PARSER_VERSION = "1.0.0"
_CUSTOM_PARSER_VERSION = "1.5.0"
_AXIS_LABELS, _VALUE_LABELS = 2, 3
# Boxes are given by their sides, as fractions, which is the default of the last.
_SIDES = 1


def model_metadata(
    facts: Mapping[str, Any],
    *,
    describe_inputs: Callable[[Any], list[int]],
    outputs: Sequence[Described],
    labels_files: Mapping[str, str],
    custom: Mapping[str, bytes] | None = None,
) -> bytes:
    """Describe a model: what goes in, what comes out, and the labels of it.

    Args:
        facts: `name` (one line), `description`, `version` and `license` of the model, as far as
            they are known.
        describe_inputs: Puts the descriptions of the inputs into a builder and returns their
            offsets there, in the order of the file's inputs.
        outputs: The tensors that come out, in the order of the file's outputs.
        labels_files: Output -> name of the file behind the model with one label per line.
        custom: What some library wants to know beside, by the name that it knows it by.

    Returns:
        A finished `ModelMetadata` flatbuffer with the identifier `M001`.
    """
    b = flatbuffers.Builder(1024)
    taken = describe_inputs(b)
    given = [_output(b, one, labels_files.get(one.name)) for one in outputs]
    inner = {2: tables(b, taken), 3: tables(b, given)}
    if custom:
        inner[9] = tables(b, [_custom(b, name, data) for name, data in custom.items()])
    graph = table(b, 10, inner)
    words = {0: "name", 1: "description", 2: "version", 5: "license"}
    texts = {slot: str(facts.get(key, "")) for slot, key in words.items()}
    texts[7] = _CUSTOM_PARSER_VERSION if custom else MIN_PARSER_VERSION
    fields: dict[int, Any] = {slot: b.CreateString(text) for slot, text in texts.items() if text}
    b.Finish(table(b, 8, {**fields, 3: tables(b, [graph])}), file_identifier=IDENTIFIER)
    return bytes(b.Output())


def _custom(b: Any, name: str, data: bytes) -> int:
    return table(b, 2, {0: b.CreateString(name), 1: aligned(b, data)})


def _output(b: Any, one: Described, labels_file: str | None) -> int:
    files = []
    if labels_file:
        order = "their numbers" if one.values_named else "the last axis"
        text = f"Class names, one per line, in the order of {order}."
        kind = _VALUE_LABELS if one.values_named else _AXIS_LABELS
        fields = {0: b.CreateString(labels_file), 1: b.CreateString(text)}
        files.append(table(b, 5, {**fields, 2: ("Int8", kind)}))
    content = FEATURE, table(b, 0, {})
    if one.boxes:
        order_of_sides = b.CreateNumpyVector(np.arange(4, dtype=np.uint32))
        content = BOX, table(b, 3, {0: order_of_sides, 1: ("Int8", _SIDES)})
    return tensor(
        b,
        *one.meaning,
        content=content,
        value_range=one.value_range,
        files=files,
    )
