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

from kfine.exporting.outputs import PROBABILITY, Described

BUFFER_NAME = "TFLITE_METADATA"
IDENTIFIER = b"M001"
# Every field below has been in the schema from its beginning.
MIN_PARSER_VERSION = "1.0.0"
_FEATURE, _IMAGE = 1, 2
_NORMALIZATION = 1
_RGB = 1
_AXIS_LABELS = 2


def classifier_metadata(
    *,
    name: str,
    description: str,
    version: str,
    license: str,
    describe_input: Callable[[Any], int],
    labels_file: str,
    output: Described = PROBABILITY,
) -> bytes:
    """Describe a classifier of wholes or of pieces: one tensor in, one out.

    Args:
        name: Of the model, one line.
        description: What it does, for people.
        version: Of the model.
        license: Of the model; empty if not known.
        describe_input: Puts the description of the input into a builder and returns its offset
            there: `image_tensor` or `token_tensor`.
        labels_file: Name of the file behind the model with one class per line.
        output: Name, description and value range of the tensor that comes out.

    Returns:
        A finished `ModelMetadata` flatbuffer with the identifier `M001`.
    """
    b = flatbuffers.Builder(1024)
    *words, value_range = output
    tensor_in = describe_input(b)
    labels = _table(
        b,
        5,
        {
            0: b.CreateString(labels_file),
            1: b.CreateString("Class names, one per line, in the order of the last axis."),
            2: ("Int8", _AXIS_LABELS),
        },
    )
    tensor_out = _tensor(
        b,
        words[0],
        words[1],
        content=(_FEATURE, _table(b, 0, {})),
        value_range=value_range,
        files=[labels],
    )
    graph = _table(b, 9, {2: _tables(b, [tensor_in]), 3: _tables(b, [tensor_out])})
    texts = {0: name, 1: description, 2: version, 5: license, 7: MIN_PARSER_VERSION}
    fields: dict[int, Any] = {slot: b.CreateString(text) for slot, text in texts.items() if text}
    b.Finish(_table(b, 8, {**fields, 3: _tables(b, [graph])}), file_identifier=IDENTIFIER)
    return bytes(b.Output())


def image_tensor(b: Any, image_size: tuple[int, int]) -> int:
    """Describe an input of uint8 RGB.

    Mean 0 and standard deviation 1 are stated although readers ignore them for uint8: the
    normalisation is in the graph, and MediaPipe's runtime refuses one value per channel.

    Args:
        b: The builder.
        image_size: Height and width in pixels; the default where the input's size is free.
    """
    height, width = image_size
    size = _table(b, 2, {0: ("Uint32", width), 1: ("Uint32", height)})
    image = _table(b, 2, {0: ("Int8", _RGB), 1: size})
    options = _table(b, 2, {0: _floats(b, [0.0]), 1: _floats(b, [1.0])})
    unit = _table(b, 2, {0: ("Uint8", _NORMALIZATION), 1: options})
    return _tensor(
        b,
        "image",
        f"RGB image, {width} x {height} pixels, values from 0 to 255. "
        "The normalisation is part of the model.",
        content=(_IMAGE, image),
        process_units=[unit],
        value_range=(0.0, 255.0),
    )


def token_tensor(b: Any, sequence_length: int) -> int:
    """Describe an input of token ids, as a plain feature.

    The schema's tokenizer units stand for MediaPipe's own tokenizers, which give other ids.

    Args:
        b: The builder.
        sequence_length: In tokens.
    """
    return _tensor(
        b,
        "token_ids",
        f"Ids of {sequence_length} tokens with special tokens and padding, as the tokenizer in "
        "the zip behind the model makes them. Masks are worked out in the model.",
        content=(_FEATURE, _table(b, 0, {})),
    )


def _tensor(
    b: Any,
    name: str,
    description: str,
    *,
    content: tuple[int, int],
    value_range: tuple[float, float] | None = None,
    process_units: Sequence[int] = (),
    files: Sequence[int] = (),
) -> int:
    kind, properties = content
    fields: dict[int, Any] = {
        0: b.CreateString(name),
        1: b.CreateString(description),
        3: _table(b, 3, {0: ("Uint8", kind), 1: properties}),
    }
    if value_range:
        low, high = value_range
        fields[5] = _table(b, 2, {0: _floats(b, [high]), 1: _floats(b, [low])})
    if process_units:
        fields[4] = _tables(b, process_units)
    if files:
        fields[6] = _tables(b, files)
    return _table(b, 7, fields)


def _table(b: Any, count: int, fields: Mapping[int, Any]) -> int:
    """A table of `count` fields: an offset, or a pair of type and number, for each one set."""
    b.StartObject(count)
    for slot, value in fields.items():
        if isinstance(value, tuple):
            kind, number = value
            getattr(b, f"Prepend{kind}Slot")(slot, number, 0)
        else:
            b.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(b.EndObject())


def _tables(b: Any, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _floats(b: Any, values: Sequence[float]) -> int:
    return int(b.CreateNumpyVector(np.asarray(values, np.float32)))
