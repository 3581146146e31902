"""Labels and facts inside an `.onnx` file, written and read without the onnx package.

They are entries of `metadata_props`, which any ONNX runtime shows
(https://github.com/onnx/onnx/blob/main/docs/IR.md#optional-metadata). Protocol buffers of one
type that are put one behind the other are merged, so the entries are appended to the file, and a
checksum covers what stands before them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from kfine.errors import ExportError

# `metadata_props` in ModelProto, `key` and `value` in StringStringEntryProto.
_PROPS, _KEY, _VALUE = 14, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# A protocol buffer cannot be larger.
_LARGEST_FILE = 2**31


def append_properties(path: Path, properties: Mapping[str, str]) -> None:
    """Append entries of `metadata_props` to an `.onnx` file."""
    with path.open("ab") as file:
        for key, value in properties.items():
            entry = _field(_KEY, key.encode()) + _field(_VALUE, value.encode())
            file.write(_field(_PROPS, entry))


def read_properties(path: Path) -> tuple[dict[str, str], str]:
    """The entries of `metadata_props`, and the SHA-256 of what stands before the first.

    Only the outermost fields are looked at; no weights are unpacked.

    Raises:
        ExportError: It is no regular file, or not an ONNX model, or cut off.
    """
    content = _content(path)
    found: dict[str, str] = {}
    end = len(content)
    try:
        for number, start, value in _fields(content):
            if number == _PROPS and value is not None:
                end = min(end, start)
                entry = {key: text for key, _, text in _fields(value) if text is not None}
                found[bytes(entry[_KEY]).decode()] = bytes(entry[_VALUE]).decode()
    except (IndexError, KeyError, ValueError) as error:
        raise ExportError(f"{path} is not an ONNX model, or it is cut off.") from error
    return found, hashlib.sha256(content[:end]).hexdigest()


def checksum_of(path: Path) -> str:
    """SHA-256 of a file to which nothing has been appended yet."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _content(path: Path) -> memoryview:
    try:
        if not path.is_file():
            raise ExportError(f"{path} is no regular file; give a model made by kfine export.")
        if path.stat().st_size > _LARGEST_FILE:
            raise ExportError(f"{path} is larger than an .onnx model can be, 2 GB.")
        return memoryview(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from error


def _fields(content: memoryview) -> Iterator[tuple[int, int, memoryview | None]]:
    """Number, start and, if it has a length, the content of each field.

    Reference:
        https://protobuf.dev/programming-guides/encoding/
    """
    place = 0
    while place < len(content):
        start = place
        tag, place = _varint(content, place)
        number, kind = tag >> 3, tag & 7
        value = None
        if kind == _VARINT:
            _, place = _varint(content, place)
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        elif kind == _BYTES:
            length, place = _varint(content, place)
            value = content[place : place + length]
            place += length
        else:
            raise ValueError(f"unknown wire type {kind}")
        if place > len(content) or number == 0:
            raise ValueError("cut off")
        yield number, start, value


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _field(number: int, value: bytes) -> bytes:
    return _encode(number << 3 | _BYTES) + _encode(len(value)) + value


def _encode(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
