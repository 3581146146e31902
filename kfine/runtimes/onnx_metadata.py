"""Labels and facts at the end of an `.onnx` file, as entries of its `metadata_props`.

Any ONNX runtime shows them (https://github.com/onnx/onnx/blob/main/docs/IR.md#optional-metadata).
Protocol buffers of one type that are put one behind the other are merged, so the entries are
appended to the file. The last one is where they begin: only they are parsed, since a model that
is made to do harm takes 80 times its size in memory once it is parsed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from kfine.errors import ExportError

# In bytes: far more than any labels and tokenizer take, and what is hashed at a time.
_LARGEST_ENTRIES, _CHUNK = 2**24, 2**20
_SIZE, _DIGITS = "size.txt", 12


def append_properties(path: Path, properties: Mapping[str, str]) -> None:
    """Append entries of `metadata_props` to an `.onnx` file, which is not loaded for that."""
    from onnx import ModelProto, helper

    entries = ModelProto()
    size = f"{path.stat().st_size:0{_DIGITS}}"
    helper.set_model_props(entries, {**properties, _SIZE: size})
    with path.open("ab") as file:
        file.write(entries.SerializeToString())


def read_properties(path: Path) -> tuple[dict[str, str], int]:
    """The entries that `append_properties` appended, none if it did not, and where they begin.

    Raises:
        ExportError: It is no regular file, or cannot be read.
        MissingPackage: onnx is not installed.
    """
    from kfine.runtimes.onnx import require_onnx

    require_onnx(["onnx"])
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        # Opening a named pipe would wait for ever.
        if not path.is_file():
            raise ExportError(f"{path} is no regular file; give a model made by kfine export.")
        with path.open("rb") as file:
            end = path.stat().st_size
            file.seek(max(0, end - _DIGITS))
            begin = int(file.read())
            if not max(0, end - _LARGEST_ENTRIES) <= begin <= end:
                return {}, end
            file.seek(begin)
            entries = ModelProto.FromString(file.read()).metadata_props
    except (ValueError, DecodeError):
        return {}, end
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from error
    return {entry.key: entry.value for entry in entries}, begin


def checksum_of(path: Path, size: int) -> str:
    """SHA-256 of the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for begin in range(0, size, _CHUNK):
            digest.update(file.read(min(_CHUNK, size - begin)))
    return digest.hexdigest()
