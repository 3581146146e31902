"""Put a named buffer into a finished `.tflite` without touching a byte of it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import flatbuffers

from kfine.errors import ExportError

_ALIGNMENT = 16


def embed_buffer(model: bytes, name: str, content: bytes) -> bytes:
    """Add a metadata buffer to a LiteRT (TFLite) flatbuffer.

    Flatbuffers refer forward only and are built from their end, so a new head that refers to
    the tables that are there is built before them. Unpacking and packing the whole model
    again, as is usual, loses the alignment of its weights.

    Args:
        model: The flatbuffer as the converter wrote it, with nothing behind it.
        name: Of the metadata entry.
        content: Its bytes.

    Returns:
        The model, larger by `content` and some hundred bytes to some kilobytes.

    Raises:
        ExportError: If it is no LiteRT model, or it has an entry of that name.
    """
    from ai_edge_litert import schema_py_generated as schema

    if model[4:8] != b"TFL3":
        raise ExportError("The bytes to put metadata into are not a .tflite model.")
    root = schema.Model.GetRootAs(model, 0)
    entries = [root.Metadata(index) for index in range(root.MetadataLength())]
    if name.encode() in [entry.Name() for entry in entries]:
        raise ExportError(f"The model has metadata of the name {name} already.")
    tail = model + bytes(-len(model) % _ALIGNMENT)
    b = flatbuffers.Builder(0)
    b.Bytes, b.head = bytearray(tail), 0

    def place(position: int) -> int:
        """A builder's offset, which counts from the end, of a place in the model."""
        return len(tail) - position

    fields = {slot: place(position) for slot, position in _references(root).items()}
    data = aligned(b, content)
    schema.BufferStart(b)
    schema.BufferAddData(b, data)
    buffer = schema.BufferEnd(b)
    label = b.CreateString(name)
    schema.MetadataStart(b)
    schema.MetadataAddName(b, label)
    schema.MetadataAddBuffer(b, root.BuffersLength())
    entry = schema.MetadataEnd(b)
    buffers = [root.Buffers(index)._tab.Pos for index in range(root.BuffersLength())]
    fields[_BUFFERS] = _vector(b, [*map(place, buffers), buffer])
    fields[_METADATA] = _vector(b, [*(place(one._tab.Pos) for one in entries), entry])
    schema.ModelStart(b)
    for slot, offset in fields.items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    schema.ModelAddVersion(b, root.Version())
    b.Finish(schema.ModelEnd(b), file_identifier=b"TFL3")
    made = bytearray(b.Output())
    _shift_outside_data(made, len(made) - len(tail))
    return bytes(made)


# Fields of the table `Model` in LiteRT's schema; all but the first are references.
_BUFFERS, _METADATA, _FIELDS = 4, 6, 10
# Of the table `Buffer`: where the vtable says where the field `offset` is.
_BUFFER_OFFSET = 6


def _references(root: Any) -> dict[int, int]:
    """Field number -> position of what it refers to."""
    table, found = root._tab, {}
    for slot in range(1, _FIELDS):
        offset = table.Offset(4 + 2 * slot)
        if offset:
            found[slot] = int(table.Indirect(table.Pos + offset))
    return found


def _shift_outside_data(model: bytearray, distance: int) -> None:
    """Correct the places of weights that lie behind the tables, given from the file's start."""
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(model, 0)
    for index in range(root.BuffersLength()):
        table = root.Buffers(index)._tab
        offset = table.Offset(_BUFFER_OFFSET)
        # 0 and 1 stand for none.
        if offset and root.Buffers(index).Offset() > 1:
            moved = root.Buffers(index).Offset() + distance
            struct.pack_into("<Q", model, table.Pos + offset, moved)


def _vector(b: Any, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def aligned(b: Any, content: bytes) -> int:
    """A vector of bytes whose place divides by 16."""
    b.StartVector(1, len(content), _ALIGNMENT)
    b.head -= len(content)
    b.Bytes[b.head : b.head + len(content)] = content
    return int(b.EndVector())


def oldest_runtime(path: Path) -> str:
    """The oldest runtime that has all operations of a `.tflite`, as the converter noted it.

    Returns:
        Such as "TensorFlow Lite 2.3.0", which every LiteRT is newer than; empty if not noted.
    """
    noted = read_buffer(path.read_bytes(), "min_runtime_version") or b""
    version = noted.rstrip(b"\0").decode(errors="replace")
    return f"TensorFlow Lite {version}" if version else ""


def read_buffer(model: bytes, name: str) -> bytes | None:
    """The content of a metadata buffer, `None` if the model has none of that name.

    Args:
        model: The flatbuffer; what follows it is ignored.
        name: Of the metadata entry.
    """
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(model, 0)
    for index in range(root.MetadataLength()):
        entry = root.Metadata(index)
        if entry.Name() == name.encode():
            data = root.Buffers(entry.Buffer()).DataAsNumpy()
            return bytes(data)
    return None
