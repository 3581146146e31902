"""Labels, facts and files that travel inside an exported file, read back."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfine.errors import ExportError
from kfine.runtimes.kinds import kind_of
from kfine.runtimes.onnx_metadata import checksum_of, read_properties

LABELS, INFO, CHECKSUM = "labels.txt", "kfine.json", "sha256.txt"
# In bytes: the most that a flatbuffer's offsets reach, and far more than any labels take.
_LARGEST_FILE = 2**31
_LARGEST_TEXT = 2**24
# What is among the first bytes of files that carry a zip behind the model.
_MARKS = {"tflite": b"TFL3", "litertlm": b"LITERTLM"}
# Where a folder carries its files.
_BESIDE = {"saved_model": "assets.extra", "openvino": "."}


def read_metadata(path: Path | str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Read labels and facts back from an exported file or folder of any format.

    Args:
        path: The exported file or folder.

    Returns:
        The class names in the order of the probabilities, and the facts given at export.

    Raises:
        ExportError: If it is missing, damaged, or not exported by kfine.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "keras":
        raise ExportError(f"{path} is a run, not an exported model.")
    text = _READERS[kind](path)
    try:
        document = json.loads(text)
        return tuple(str(label) for label in document["labels"]), dict(document["info"])
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path} is damaged: its {INFO} cannot be read; export again.") from error


def read_carried(path: Path, name: str) -> bytes:
    """A file that an exported model carries beside labels and facts.

    Raises:
        ValueError: It carries none of that name, or one that is too large or damaged.
    """
    try:
        if kind_of(path) in _MARKS:
            with zipfile.ZipFile(path) as archive:
                return _small(archive, name)
        if kind_of(path) == "onnx":
            return read_properties(path)[0][name].encode()
        below = path / _BESIDE[kind_of(path)] / name
        if below.stat().st_size <= _LARGEST_TEXT:
            return below.read_bytes()
    # A damaged zip raises almost anything: BadZipFile, KeyError, NotImplementedError, zlib.error.
    except Exception as error:
        raise ValueError(f"it carries no readable {name}") from error
    raise ValueError(f"its {name} is too large")


def columns_of(info: Mapping[str, Any]) -> dict[str, str]:
    """The columns that a file's model learned from, by the setting that names them."""
    found = info.get("columns")
    return {
        name: column
        for name, column in (found.items() if isinstance(found, dict) else ())
        if name.endswith("_column") and isinstance(column, str)
    }


def _info_beside(path: Path) -> str:
    try:
        return read_carried(path, INFO).decode()
    except ValueError as error:
        raise ExportError(
            f"{path} is not a model that kfine exported ({error}); "
            "give a run folder or a model made by kfine export."
        ) from error


def _onnx_info(path: Path) -> str:
    properties, size = read_properties(path)
    if INFO not in properties or CHECKSUM not in properties:
        raise ExportError(
            f"{path} carries no {INFO}: it is cut off or was not exported by kfine; "
            "give a run folder or a model made by kfine export."
        )
    if checksum_of(path, size) != properties[CHECKSUM].strip():
        raise ExportError(f"{path} is damaged: its checksum does not match; export again.")
    return properties[INFO]


def _info_behind(path: Path) -> str:
    content = _bytes(path)
    try:
        with zipfile.ZipFile(path) as archive:
            model = content[: min(member.header_offset for member in archive.infolist())]
            info = _small(archive, INFO).decode()
            checksum = _small(archive, CHECKSUM).decode().strip()
    # A damaged zip raises almost anything: BadZipFile, KeyError, NotImplementedError, zlib.error.
    except Exception as error:
        raise ExportError(
            f"{path} carries no readable {INFO}: it is cut off or was not exported by kfine; "
            "give a run folder or a model made by kfine export."
        ) from error
    if hashlib.sha256(model).hexdigest() != checksum:
        raise ExportError(f"{path} is damaged: its checksum does not match; export again.")
    return info


def _bytes(path: Path) -> bytes:
    kind = kind_of(path)
    try:
        # Opening a named pipe would wait for ever, and a sparse file may be of any size.
        if not path.is_file():
            raise ExportError(f"{path} is no regular file; give a model made by kfine export.")
        with path.open("rb") as file:
            if _MARKS[kind] not in file.read(8):
                mark = _MARKS[kind].decode()
                raise ExportError(f"{path} is not a .{kind} model (no {mark} identifier).")
            if path.stat().st_size > _LARGEST_FILE:
                raise ExportError(f"{path} is larger than a .{kind} model can be, 2 GB.")
            file.seek(0)
            return file.read()
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from error


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    # A few bytes can be unpacked to gigabytes; zipfile reads no more than is stated here.
    if archive.getinfo(name).file_size > _LARGEST_TEXT:
        raise ValueError(f"{name} is too large")
    return archive.read(name)


_READERS = {
    "saved_model": _info_beside,
    "tflite": _info_behind,
    "litertlm": _info_behind,
    "onnx": _onnx_info,
    "openvino": _info_beside,
}
